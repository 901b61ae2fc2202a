/**
 * What lies below HTTP and WebSocket clients: bytes that are no request and no frame. Each ends its own connection, with
 * the documented error where one can be sent, and neither the nodes nor two people who chat meanwhile feel anything.
 */

import { connect as connectTcp } from 'node:net';
import t from 'tap';
import { type BadRequest, badRequests } from '../helpers/fuzz/raw-requests.js';
import { HealthyPair } from '../helpers/healthy-pair.js';
import type { TestNode } from '../helpers/node.js';
import { startPair } from '../helpers/rooms.js';
import { within } from '../helpers/wait.js';

const SEED = 20_261_120;
const REQUESTS = 1_000;
/** Requests under way at once. */
const PARALLEL = 16;

const pair = await startPair(t, { SOCKET_RATE: '0', LOG_LEVEL: 'warn' });
const noisy = await pair.room('the noisy one');

async function healthyPair(): Promise<HealthyPair> {
  const quiet = await pair.room('the healthy pair');
  return new HealthyPair(await pair.join(quiet, 'ann', '', { t }), await pair.join(quiet, 'bob', '', { t }));
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

t.test('bytes that are no WebSocket frames end that socket alone', async (t) => {
  const healthy = await healthyPair();
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
  await healthy.untroubled(t, pair.nodes);
});

t.test('malformed requests', async (t) => {
  const healthy = await healthyPair();
  const requests = badRequests(SEED, REQUESTS, noisy);
  t.equal(requests.length, REQUESTS);
  let next = 0;
  const faults: string[] = [];
  const worker = async (): Promise<void> => {
    for (let i = next; i < requests.length; i = next) {
      next += 1;
      const one = requests[i] as BadRequest;
      const answer = await exchange(pair.next(), one.bytes).catch(String);
      const fault = faultOf(answer, one);
      if (fault !== undefined) faults.push(`${one.what}: ${fault}: ${answer.slice(-100)}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  t.equal(faults.length, 0, faults.slice(0, 10).join('\n'));
  t.same(await pair.messages(noisy), [], 'nothing was stored');
  await healthy.untroubled(t, pair.nodes);
});
