import { readFileSync } from 'node:fs';
import t from 'tap';
import { createRoom, faultsIn, received, socketUrl, startNodes } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import type { TestNode } from '../helpers/node.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { startAnyRedis } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const TEXT_BYTES = 8_000;
const SENT = 1_500;
const SLOW = 20;
/** What one more reader may cost while it does not read: its outbox, and what the system's buffers do not take. */
const PER_SLOW_READER = 700 * 1024;
/** 4408, or what is left of it for who does not read the close frame within seconds either. */
const CUT_OFF = [4408, 1006];
const MIB = 1024 * 1024;

/** Resident memory of a process, in bytes. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

async function outboxBytes(node: TestNode): Promise<number> {
  const { text } = await request('GET', `${node.url}/metrics`);
  return Number(/^parlance_outbox_bytes (\d+)/m.exec(text)?.[1]);
}

/** Sends `count` large messages, never more than a few unanswered, and calls `look` now and then. */
async function flood(writer: TestSocket, count: number, look: () => Promise<void>): Promise<void> {
  const start = received(writer).length;
  let echoed = 0;
  writer.ws.on('message', () => {
    echoed += 1;
  });
  const text = 'x'.repeat(TEXT_BYTES);
  for (let sent = 0; sent < count; ) {
    for (let i = 0; i < 50 && sent < count; i += 1, sent += 1) {
      writer.send({ type: 'text', content: `${start + sent + 1} ${text}` });
    }
    await until('the echoes', () => echoed >= sent, 20_000, 2);
    if (sent % 500 === 0) await look();
  }
}

t.test('sockets that do not read while their room is flooded', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env })) as [TestNode];
  const room = await createRoom(node);
  const writer = await open(socketUrl(node, room, 'writer'), { t });
  const quick = await open(socketUrl(node, room, 'quick'), { t });
  const slow = await Promise.all(
    Array.from({ length: SLOW }, (_, i) => open(socketUrl(node, room, `slow-${i}`), { t })),
  );
  // One flood without them, so that what the node needs at work is not taken for what they cost.
  await flood(writer, 500, async () => undefined);
  await until('all have it', () => slow.every((socket) => received(socket).length >= 500), 30_000);
  const before = residentBytes(node.pid);

  const pausedAt = performance.now();
  for (const socket of slow) socket.pause();
  let outbox = 0;
  let resident = 0;
  await flood(writer, SENT, async () => {
    outbox = Math.max(outbox, await outboxBytes(node));
    resident = Math.max(resident, residentBytes(node.pid));
  });
  const bound = SLOW * PER_SLOW_READER;
  t.ok(
    outbox > 0 && outbox <= bound,
    `${(outbox / MIB).toFixed(1)} MiB wait, of ${((SENT * TEXT_BYTES * SLOW) / MIB).toFixed(0)} MiB missed`,
  );
  t.ok(
    resident - before < bound + 100 * MIB,
    `resident memory grew by ${((resident - before) / MIB).toFixed(0)} MiB`,
  );
  await until('the others have all', () => received(quick).length >= 500 + SENT, 20_000);
  t.strictSame(faultsIn(received(quick), 1), [], 'the others lost nothing');

  const pausedMs = performance.now() - pausedAt;
  for (const socket of slow) socket.resume();
  const done = (socket: TestSocket) => received(socket).length >= 500 + SENT || socket.ws.readyState !== 1;
  await until('each has all, or was closed', () => slow.every(done), 40_000, 50);
  const closed = slow.filter(({ ws }) => ws.readyState !== 1);
  // On a machine so busy that the flood outlasts its patience, the node gives them up: they come back for the rest.
  if (pausedMs < 25_000) t.equal(closed.length, 0, 'who reads again in time is served');
  const codes = await Promise.all(closed.map(async (socket) => (await socket.closed).code));
  t.strictSame(
    codes.filter((code) => !CUT_OFF.includes(code)),
    [],
    'too slow to be served',
  );
  t.strictSame(
    slow.flatMap((socket) => faultsIn(received(socket), 1)),
    [],
    'in order, without holes and repeats',
  );
  const again = received(writer).length;
  await flood(writer, 5, async () => undefined);
  await until('they are live again', () =>
    slow.every((socket) => closed.includes(socket) || received(socket).length >= again + 5),
  );
  // What has arrived may have to be counted yet.
  await until('nothing is left over', async () => (await outboxBytes(node)) === 0);
});

t.test('a socket that does not read for too long', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env })) as [TestNode];
  const room = await createRoom(node);
  const writer = await open(socketUrl(node, room, 'writer'), { t });
  const slow = await open(socketUrl(node, room, 'slow'), { t });
  slow.pause();
  await flood(writer, 1_000, async () => undefined);
  await until(
    'it is given up',
    async () => {
      const { text } = await request('GET', `${node.url}/metrics`);
      return /^parlance_sockets_closed_total\{code="4408"\} 1$/m.test(text);
    },
    60_000,
    200,
  );
  slow.resume();
  const { code } = await slow.closed;
  t.ok(CUT_OFF.includes(code), `closed with ${code}`);
  const seen = received(slow);
  t.strictSame(faultsIn(seen, 1), [], 'what it got has no hole');
  const back = await open(socketUrl(node, room, 'slow', seen.at(-1)?.id ?? '0.'), { t });
  await until('the rest', () => received(back).length >= 1_000 - seen.length, 20_000);
  t.strictSame(faultsIn(received(back), seen.length + 1), [], 'and it goes on from there');
});

t.test('a socket that asks without end and never reads', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env })) as [TestNode];
  const room = await createRoom(node);
  const socket = connect(socketUrl(node, room, 'asker'), { t });
  await socket.opened;
  socket.pause();
  let most = 0;
  for (let i = 0; i < 400 && socket.ws.readyState === 1; i += 1) {
    for (let j = 0; j < 500; j += 1) socket.send('{"type":"no such thing"}');
    await sleep(5);
    if (i % 20 === 0) most = Math.max(most, await outboxBytes(node));
  }
  t.ok(most < 2 * MIB, `${(most / MIB).toFixed(1)} MiB of answers wait at the most`);
  t.equal((await request('GET', `${node.url}/healthz`)).status, 200);
});
