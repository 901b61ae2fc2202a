/**
 * Thousands of malformed frames and requests, the same ones each time: each gets the documented error, and
 * neither the nodes nor two people who chat meanwhile feel anything.
 */

import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import t, { type Test } from 'tap';
import { request } from '../helpers/http.js';
import { type BadFrame, badFrames } from '../helpers/malformed-frames.js';
import { type BadRequest, badRequests } from '../helpers/malformed-requests.js';
import type { TestNode } from '../helpers/node.js';
import { framesOf, heard, shown, startPair } from '../helpers/rooms.js';
import { open, type TestSocket } from '../helpers/socket.js';
import { within } from '../helpers/wait.js';

const SEED = 20_261_120;
const FRAMES = 3_000;
const REQUESTS = 2_000;
/** Frames sent at once, and requests under way at once. */
const BATCH = 50;
const PARALLEL = 16;
/** What a node may grow by. A leak of each malformed input alone would be several times this. */
const MAX_GROWTH_KB = 120 * 1024;

const pair = await startPair(t, { SOCKET_RATE: '0', LOG_LEVEL: 'info' });
const quiet = await pair.room('the healthy pair');
const noisy = await pair.room('the rest');

/** Two people on two nodes who talk until they are told to stop. */
class HealthyPair {
  #sent = 0;
  #stopped = false;
  readonly #talking: Promise<void>;
  readonly #ann: TestSocket;
  readonly #bob: TestSocket;

  private constructor(ann: TestSocket, bob: TestSocket) {
    this.#ann = ann;
    this.#bob = bob;
    this.#talking = this.#talk();
  }

  static async start(): Promise<HealthyPair> {
    return new HealthyPair(
      await pair.join(quiet, 'ann', '', { t }),
      await pair.join(quiet, 'bob', '', { t }),
    );
  }

  async #talk(): Promise<void> {
    while (!this.#stopped || this.#sent < 20) {
      const [from, to] = this.#sent % 2 === 0 ? [this.#ann, this.#bob] : [this.#bob, this.#ann];
      this.#sent += 1;
      from.send({ type: 'text', content: `word ${this.#sent}` });
      await Promise.all([heard(from, `word ${this.#sent}`), heard(to, `word ${this.#sent}`)]);
    }
  }

  /** Everything that was said, as each of them was shown it. */
  async stop(): Promise<{ sent: number; heard: string[][]; others: number }> {
    this.#stopped = true;
    await within('the last word', this.#talking, 30_000);
    const sockets = [this.#ann, this.#bob];
    return {
      sent: this.#sent,
      heard: sockets.map((socket) => shown(socket).map(({ content }) => content)),
      others: sockets.flatMap((socket) => framesOf(socket, 'error')).length,
    };
  }
}

function residentKb(node: TestNode): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}

/** Sends frames on one socket; answers how many error frames came back, each counted once they all have. */
async function errorsFor(socket: TestSocket, frames: readonly BadFrame[], ref: string): Promise<number> {
  const before = framesOf(socket, 'error').length;
  for (const { data, binary } of frames) socket.ws.send(data, { binary });
  socket.send({ type: 'text', content: '', ref });
  await socket.next((frame) => frame.type === 'error' && frame.ref === ref, 30_000);
  return framesOf(socket, 'error').length - before - 1;
}

/** The whole answer to raw bytes, after which the connection must end. */
function exchange(node: TestNode, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connectTcp({ host: '127.0.0.1', port: node.port });
    socket.setTimeout(20_000, () => socket.destroy(new Error('no end of the answer')));
    socket.on('data', (chunk) => chunks.push(chunk));
    // A node that answers before it has read everything may reset the connection after the answer.
    socket.on('error', (error) => (chunks.length > 0 ? undefined : reject(error)));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    socket.write(bytes);
  });
}

/** Why an answer is not what is due; undefined when it is. */
function faultOf(answer: string, { due, body }: BadRequest): string | undefined {
  const [head = '', ...rest] = answer.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  if (!due.includes(status)) return `status ${status}`;
  if (!body) return undefined;
  if (!/^content-type: application\/json/im.test(head)) return 'not JSON';
  try {
    const error = JSON.parse(rest.join('\r\n\r\n')) as Record<string, unknown>;
    const asDocumented = Object.keys(error).join() === 'detail' && typeof error.detail === 'string';
    return asDocumented ? undefined : 'another shape';
  } catch {
    return 'a body that is no JSON';
  }
}

/** Fails when a node said that something was its own fault. */
function ownFaults(): string[] {
  return pair.nodes.flatMap((node) => node.logs().filter((line) => /"level":(50|60)/.test(line)));
}

t.test('malformed frames', async (t) => {
  const healthy = await HealthyPair.start();
  const frames = badFrames(SEED, FRAMES);
  t.equal(frames.length, FRAMES);
  const answered = frames.filter(({ closes }) => closes === undefined);
  const fatal = frames.filter(({ closes }) => closes !== undefined);
  t.ok(fatal.length > 50, `${fatal.length} of them end their socket`);

  const sockets = [
    await pair.join(noisy, 'mallory', '', { t }),
    await pair.join(noisy, 'mallory', '', { t }),
  ];
  let before: number[] = [];
  for (let at = 0; at < answered.length; at += BATCH) {
    // What a node grows by until it is warm is no leak.
    if (at === 10 * BATCH) before = pair.nodes.map(residentKb);
    const batch = answered.slice(at, at + BATCH);
    const socket = sockets[(at / BATCH) % 2] as TestSocket;
    const errors = await errorsFor(socket, batch, `batch ${at}`);
    if (errors !== batch.length) t.fail(`${errors} errors for the ${batch.length} frames from ${at}`);
  }
  for (const { data, closes } of fatal) {
    const socket = await open(pair.socketUrl(noisy, 'mallory'), { t });
    socket.ws.send(data, { binary: false });
    const { code } = await socket.closed;
    if (code !== closes) t.fail(`${JSON.stringify(data.toString('latin1'))} closed with ${code}`);
  }
  const growth = pair.nodes.map((node, i) => residentKb(node) - (before[i] as number));
  t.ok(
    growth.every((kb) => kb < MAX_GROWTH_KB),
    `grew by ${growth} KiB`,
  );
  for (const socket of sockets) {
    t.equal(socket.ws.readyState, socket.ws.OPEN);
    t.same(framesOf(socket, 'text'), []);
  }
  t.same(await pair.messages(noisy), [], 'nothing was stored');
  await untroubled(t, healthy);
});

t.test('bytes that are no WebSocket frames end that socket alone', async (t) => {
  const healthy = await HealthyPair.start();
  const masked = (head: number[], payload: number[] = []): Buffer =>
    Buffer.from([head[0] as number, (head[1] as number) | 0x80, ...head.slice(2), 0, 0, 0, 0, ...payload]);
  const cases: [string, Buffer, number[]][] = [
    ['an unmasked frame', Buffer.from([0x81, 0x01, 0x61]), [1002]],
    ['a reserved bit', masked([0xc1, 1], [0x61]), [1002]],
    ['an unknown opcode', masked([0x83, 0]), [1002]],
    ['a fragmented ping', masked([0x09, 0]), [1002]],
    ['a continuation of nothing', masked([0x80, 0]), [1002]],
    ['a long ping', masked([0x89, 126, 1, 0], Array(256).fill(0)), [1002]],
    ['a close frame of one byte', masked([0x88, 1], [3]), [1002]],
    ['a close code that is none', masked([0x88, 2], [0, 1]), [1002]],
    ['a length of 2^63', masked([0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), [1009]],
    ['a length of 2^32', masked([0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]), [1009]],
    [
      'a hundred fragments',
      Buffer.concat(Array.from({ length: 100 }, (_, i) => masked([i === 0 ? 0x01 : 0x00, 1], [0x20]))),
      [1008],
    ],
  ];
  for (const [what, bytes, codes] of cases) {
    const socket = await pair.join(noisy, 'mallory', '', { t });
    // Below the client library, which would refuse to write them.
    (socket.ws as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(bytes);
    const { code } = await within(what, socket.closed, 15_000);
    t.ok(codes.includes(code), `${what}: ${code}`);
  }
  await untroubled(t, healthy);
});

t.test('malformed requests', async (t) => {
  const healthy = await HealthyPair.start();
  const requests = badRequests(SEED, REQUESTS, noisy);
  t.equal(requests.length, REQUESTS);
  let before: number[] = [];
  let next = 0;
  const faults: string[] = [];
  const worker = async (): Promise<void> => {
    for (let i = next; i < requests.length; i = next) {
      next += 1;
      if (i === 500) before = pair.nodes.map(residentKb);
      const one = requests[i] as BadRequest;
      const answer = await exchange(pair.next(), one.bytes).catch(String);
      const fault = faultOf(answer, one);
      if (fault !== undefined) faults.push(`${one.what}: ${fault}: ${answer.slice(-100)}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  t.equal(faults.length, 0, faults.slice(0, 10).join('\n'));
  const growth = pair.nodes.map((node, i) => residentKb(node) - (before[i] as number));
  t.ok(
    growth.every((kb) => kb < MAX_GROWTH_KB),
    `grew by ${growth} KiB`,
  );
  t.same(await pair.messages(noisy), [], 'nothing was stored');
  await untroubled(t, healthy);
});

async function untroubled(test: Test, healthy: HealthyPair): Promise<void> {
  const { sent, heard: both, others } = await healthy.stop();
  const said = (await pair.messages(quiet, '?limit=1000')).map(({ content }) => content);
  test.ok(sent >= 20, `${sent} words`);
  test.equal(others, 0, 'no error reached them');
  for (const words of both) test.same(words.slice(-sent), said.slice(-sent), 'every word once, in order');
  test.same(ownFaults(), [], 'no node blames itself');
  for (const node of pair.nodes) {
    test.equal((await request('GET', `${node.url}/readyz`)).status, 200);
    test.equal(node.proc.exitCode, null);
  }
}
