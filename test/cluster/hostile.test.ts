/** Clients that stop reading, dribble, vanish, or come by the hundred: the node keeps its memory and its word to the others. */

import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import t from 'tap';
import {
  createRoom,
  faultsIn,
  metric,
  offsetOf,
  post,
  received,
  socketUrl,
  startNodes,
} from '../helpers/chat.js';
import { HealthyPair } from '../helpers/healthy-pair.js';
import { request } from '../helpers/http.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { startProxy } from '../helpers/proxy.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { startAnyRedis } from '../helpers/topology.js';
import { type Owner, sleep, until, within } from '../helpers/wait.js';

const MIB = 1024 * 1024;
const redis = await startAnyRedis(t);

function start(env: Record<string, string> = {}): Promise<TestNode[]> {
  return startNodes(t, 1, { ...redis.env, ...env });
}

/** Two who chat in a room of their own on this node. */
async function healthyPair(node: TestNode): Promise<HealthyPair> {
  const room = await createRoom(node);
  const [ann, bob] = await Promise.all([join(node, room, 'ann'), join(node, room, 'bob')]);
  return new HealthyPair(ann, bob);
}

async function join(node: TestNode, room: string, user: string): Promise<TestSocket> {
  const socket = await open(socketUrl(node, room, user), { t });
  await socket.nextOf('history');
  return socket;
}

/** Waits for this in a node's log: its lines come through a pipe, after what they are about. */
async function says(node: TestNode, what: RegExp): Promise<void> {
  await until(`its log says ${what}`, () => what.test(node.logs().join('\n')));
}

function residentBytes({ pid }: TestNode): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** A TCP connection to a node that sends this and reads nothing, ever. All of 127.0.0.0/8 is this machine. */
function deafTo(owner: Owner, { port }: TestNode, head: string, localAddress = '127.0.0.1'): Socket {
  const socket = connectTcp({ host: '127.0.0.1', port, localAddress });
  socket.on('error', () => undefined);
  owner.teardown(() => socket.destroy());
  if (head !== '') socket.write(head);
  return socket;
}

function upgradeHead(node: TestNode, room: string, user: string): string {
  const path = new URL(socketUrl(node, room, user)).pathname;
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13';
  return `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`;
}

t.test('1,000 sockets that never read', async (t) => {
  const READERS = 1_000;
  const FULL = 128 * MIB;
  const [node] = (await start({ UPGRADE_RATE: '0', ROOM_PRESENCE_LIMIT: '1' })) as [TestNode];
  const room = await createRoom(node);
  const writer = await join(node, room, 'writer');
  const deaf = Array.from({ length: READERS }, (_, i) =>
    deafTo(t, node, upgradeHead(node, room, `deaf-${i}`)),
  );
  await until('all are there', async () => (await metric(node, 'parlance_sockets')) > READERS, 30_000, 100);
  const healthy = await healthyPair(node);
  const before = residentBytes(node);
  const text = 'x'.repeat(8_000);
  let [outbox, resident, sent] = [0, 0, 0];
  // What the system's buffers take is not ours: on until they are full, and well beyond that.
  for (let full = 0; full < 5 && sent < 1_500; full += outbox > FULL ? 1 : 0) {
    for (let i = 0; i < 20; i += 1, sent += 1) writer.send({ type: 'text', content: `${sent} ${text}` });
    await until('the echoes', () => received(writer).length >= sent, 20_000, 2);
    outbox = Math.max(outbox, await metric(node, 'parlance_outbox_bytes'));
    resident = Math.max(resident, residentBytes(node));
  }
  // 256 KiB each, and what one turn writes beyond it.
  t.ok(
    outbox > FULL && outbox < READERS * 448 * 1024,
    `${Math.round(outbox / MIB)} MiB wait after ${sent} messages`,
  );
  t.ok(resident - before < 400 * MIB, `the node grew by ${Math.round((resident - before) / MIB)} MiB`);
  await healthy.untroubled(t, [node]);
  t.strictSame(faultsIn(received(writer), 1), [], 'who reads has it all');
  for (const socket of deaf) socket.destroy();
  await until('they are gone', async () => (await metric(node, 'parlance_outbox_bytes')) === 0, 20_000, 100);
});

t.test('131,000 fragments of one byte', async (t) => {
  const [node] = (await start()) as [TestNode];
  const room = await createRoom(node);
  const healthy = await healthyPair(node);
  const before = residentBytes(node);
  // A text frame that is not the last of its message, then more of it: each with a mask of zeros and a blank.
  const first = Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x20]);
  const more = Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x20]);
  const bytes = Buffer.concat([first, ...Array.from({ length: 131_000 }, () => more)]);
  for (let round = 0; round < 10; round += 1) {
    const socket = await join(node, room, 'mallory');
    // Below the client library, which sends whole messages.
    (socket.ws as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(bytes);
    const { code } = await within('the end', socket.closed, 15_000);
    // 1006: the close frame was overtaken by the reset that bytes after the end are answered with.
    t.ok([1008, 1006].includes(code), `closed with ${code}`);
  }
  t.ok(residentBytes(node) - before < 100 * MIB);
  await until(
    'it closed them as too many fragments',
    async () => (await metric(node, 'parlance_sockets')) === 2,
  );
  await healthy.untroubled(t, [node]);
});

t.test('a peer that vanishes without a word', async (t) => {
  const [node] = (await start({ PING_MS: '3000' })) as [TestNode];
  const room = await createRoom(node);
  const bob = await join(node, room, 'bob');
  const proxy = await startProxy(t, node.port);
  const wsUrl = proxy.url.replace('redis', 'ws');
  await open(socketUrl({ wsUrl }, room, 'ann'), { t });
  await bob.next((frame) => String(frame.content).includes('ann joined'));
  // From now on nothing arrives, in either direction, and nobody is told.
  proxy.rule = () => 'swallow';
  await until(
    'the node has given it up',
    async () => (await metric(node, 'parlance_sockets')) === 1,
    20_000,
    100,
  );
  await bob.next((frame) => String(frame.content).includes('ann left'), 20_000);
  t.equal(bob.ws.readyState, bob.ws.OPEN, 'who answers pings stays');
});

t.test('more upgrades at once than UPGRADE_RATE', async (t) => {
  const RATE = 20;
  const MANY = 400;
  const [node] = (await start({ UPGRADE_RATE: String(RATE) })) as [TestNode];
  const room = await createRoom(node);
  const healthy = await healthyPair(node);
  const sockets = Array.from({ length: MANY }, (_, i) => connect(socketUrl(node, room, `user-${i}`), { t }));
  const statuses = await Promise.all(sockets.map(({ upgradeStatus }) => upgradeStatus));
  const refused = statuses.filter((status) => status === 503).length;
  t.equal(statuses.filter((status) => status === 101).length, MANY - refused, 'the others are let in');
  // Whoever would wait longer than five seconds.
  t.ok(refused > MANY / 4 && refused < MANY - RATE, `${refused} refused`);
  t.equal(await metric(node, 'parlance_upgrades_crowded_total'), refused);
  const answers = await Promise.all(
    Array.from({ length: MANY / 2 }, () => refusal(node, upgradeHead(node, room, 'late'))),
  );
  const [one] = answers.filter((answer) => answer.startsWith('HTTP/1.1 503'));
  t.match(one, /^retry-after: 5\r$/im, 'says when to come back');
  t.match(one, /\r\n\r\n\{"detail":"too many sockets at once"\}$/, 'in the documented shape');
  await healthy.untroubled(t, [node]);
});

/** The answer to an upgrade: a refusal with its body, or the head that lets it in. */
function refusal({ port }: TestNode, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: '127.0.0.1', port }, () => socket.write(head));
    socket.setTimeout(15_000, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes;
      if (!heard.endsWith('}') && !heard.startsWith('HTTP/1.1 101')) return;
      resolve(heard);
      socket.destroy();
    });
  });
}

t.test('more connections than there are file descriptors', async (t) => {
  const MAX_FILES = 300;
  const env = { ...redis.env, ROOMS_AUTH: 'trusted', UPGRADE_RATE: '0' };
  const node = await startNode(t, env, { maxFiles: MAX_FILES });
  await says(node, /file descriptors is low/);
  t.equal(await metric(node, 'parlance_max_fds'), MAX_FILES);
  const room = await createRoom(node);
  const [ann, bob] = await Promise.all([join(node, room, 'ann'), join(node, room, 'bob')]);
  const flood = Array.from({ length: 2 * MAX_FILES }, (_, i) =>
    deafTo(t, node, '', `127.0.0.${2 + (i % 2)}`),
  );
  const ended = new Set<Socket>();
  for (const socket of flood) {
    socket.resume();
    socket.once('close', () => ended.add(socket));
  }
  await until('what is too much is turned away', () => ended.size >= MAX_FILES);
  t.ok(ended.size < flood.length, `${ended.size} turned away`);
  // What the node needs itself is still there: new connections to Redis, for one.
  for (const type of ['normal', 'pubsub']) await redis.askAll(`CLIENT KILL TYPE ${type}`);
  await until(
    'they talk',
    async () => {
      ann.send({ type: 'text', content: 'still here' });
      await bob.next((frame) => frame.content === 'still here', 1_000);
      return true;
    },
    30_000,
  );
  for (const socket of flood) socket.destroy();
  await until('all is well again', async () => (await request('GET', `${node.url}/readyz`)).status === 200);
  await says(node, /too many connections/);
});

t.test('a flood from one address leaves room for others', async (t) => {
  const MAX_FILES = 300;
  const node = await startNode(t, { ...redis.env, ROOMS_AUTH: 'trusted' }, { maxFiles: MAX_FILES });
  const room = await createRoom(node);
  const flood = Array.from({ length: 2 * MAX_FILES }, () => deafTo(t, node, '', '127.0.0.2'));
  let ended = 0;
  for (const socket of flood) socket.resume().once('close', () => (ended += 1));
  await until('what is too much is turned away', () => ended >= MAX_FILES);
  await says(node, /too many connections from one address/);
  const [ann, bob] = await Promise.all([join(node, room, 'ann'), join(node, room, 'bob')]);
  await new HealthyPair(ann, bob).untroubled(t, [node]);
  for (const socket of flood) socket.destroy();
  const letIn = () =>
    new Promise<boolean>((resolve) => {
      const again = deafTo(t, node, 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n', '127.0.0.2');
      again.once('data', () => resolve(true)).once('close', () => resolve(false));
    });
  await until('it is let in again', letIn);
});

t.test('very many come back to one room at once', async (t) => {
  const MANY = 400;
  const MISSED = 30;
  const [node] = (await start()) as [TestNode];
  const room = await createRoom(node);
  const base = await post(node, room, 'writer', 'before');
  for (let i = 0; i < MISSED; i += 1) await post(node, room, 'writer', `missed ${i}`);
  const reads = await metric(node, 'parlance_log_reads_total');
  const back = Array.from({ length: MANY }, (_, i) =>
    connect(socketUrl(node, room, `user-${i}`, base.id), { t }),
  );
  const during: Promise<unknown>[] = [];
  for (let i = 0; i < 10; i += 1) {
    during.push(post(node, room, 'writer', `meanwhile ${i}`));
    await sleep(50);
  }
  await Promise.all([...during, ...back.map(({ opened }) => opened)]);
  const head = offsetOf(base) + MISSED + during.length;
  const has = (socket: TestSocket) => received(socket).length >= head - offsetOf(base);
  await until('all have all', () => back.every(has), 20_000);
  t.same(
    back.flatMap((socket) => faultsIn(received(socket), offsetOf(base) + 1)),
    [],
    'once, in order',
  );
  const more = (await metric(node, 'parlance_log_reads_total')) - reads;
  // One for each place that the head was at while they came, and not one for each of them.
  t.ok(more >= 1 && more <= 2 * (during.length + 1), `${more} log reads for ${MANY} sockets`);
});
