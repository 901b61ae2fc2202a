import t, { type Test } from 'tap';
import {
  createRooms,
  faultsIn,
  history,
  received,
  repeatsIn,
  socketUrl,
  startNodes,
} from '../helpers/chat.js';
import { Member } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import { type Fate, type RedisProxy, startProxy } from '../helpers/proxy.js';
import { startRedis } from '../helpers/redis.js';
import { rng } from '../helpers/rng.js';
import { type Frame, open } from '../helpers/socket.js';
import { until } from '../helpers/wait.js';

const SENDS = 2_000;
const ROOMS = 4;
const SENDERS = 5;

/** How often the connection that appends broke, in each of the ways it can. */
interface Cuts {
  /** Redis had the call, and its answer is lost. */
  answer: number;
  /** Redis never got the call. */
  call: number;
  /** Redis gets the call after the connection is gone. */
  late: number;
  /** While what happened before is being cleared up. */
  anything: number;
}

const WAYS = ['late', 'answer', 'call', 'answer'] as const;

/** Breaks the connection that appends at every eighth call, and now and then at any other answer. */
function breakAppends(proxy: RedisProxy, seed: number): Cuts {
  const random = rng(seed);
  const cuts: Cuts = { answer: 0, call: 0, late: 0, anything: 0 };
  const doomed = new WeakSet<object>();
  let calls = 0;
  proxy.rule = (passage, to, data): Fate => {
    if (passage.role !== 'appends') return 'pass';
    if (to === 'client') {
      if (doomed.has(passage)) return 'cut';
      if (random.int(60) > 0) return 'pass';
      cuts.anything += 1;
      return 'cut';
    }
    if (!/evalsha/i.test(data.toString('latin1'))) return 'pass';
    calls += 1;
    if (calls % 8 > 0) return 'pass';
    const way = WAYS[(calls / 8) % WAYS.length] as (typeof WAYS)[number];
    cuts[way] += 1;
    if (way === 'answer') doomed.add(passage);
    return way === 'late' ? 'late' : way === 'call' ? 'cut' : 'pass';
  };
  return cuts;
}

async function scene(
  t: Test,
  seed: number,
): Promise<{ node: TestNode; rooms: string[]; cuts: Cuts; proxy: RedisProxy }> {
  const redis = await startRedis(t);
  const proxy = await startProxy(t, redis.port);
  const [node] = (await startNodes(t, 1, { REDIS_URL: proxy.url })) as [TestNode];
  const rooms = await createRooms(node, ROOMS);
  return { node, rooms, proxy, cuts: breakAppends(proxy, seed) };
}

t.test('sends with a ref, repeated until they are acknowledged', async (t) => {
  const { node, rooms, cuts, proxy } = await scene(t, 1);
  const members: Member[] = [];
  for (const room of rooms) {
    for (let i = 0; i < SENDERS; i += 1)
      members.push(await Member.join(t, { nodes: [node], room, user: `user-${i}` }));
  }
  const each = SENDS / members.length;
  await Promise.all(
    members.map(async (one) => {
      for (let i = 0; i < each; i += 1) await one.sendUntilAcknowledged(`${one.user} in ${one.room}: ${i}`);
    }),
  );
  proxy.rule = () => 'pass';
  t.ok(cuts.answer >= 2 && cuts.call >= 1 && cuts.late >= 1, `cut often enough: ${JSON.stringify(cuts)}`);
  for (const room of rooms) {
    const stored = await history(node, room);
    t.equal(stored.length, SENDS / ROOMS, 'exactly what was sent is stored');
    t.strictSame(repeatsIn(stored.map(({ content }) => content)), [], 'each once');
    t.strictSame(faultsIn(stored, 1), []);
    for (const one of members.filter((member) => member.room === room)) {
      const own = stored.filter(({ user_id }) => user_id === one.user);
      t.strictSame(
        own.map(({ content }) => Number(content.split(': ')[1])),
        Array.from({ length: each }, (_, i) => i),
        'in the order it was sent',
      );
      const wrong = own.filter(({ content, id }) => one.acknowledged.get(content) !== id);
      t.strictSame(wrong, [], 'acknowledged with its id');
      await until('it has all', () => one.last >= stored.length, 15_000);
    }
  }
  t.strictSame(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  const refused = members.reduce((sum, { errors }) => sum + errors.length, 0);
  t.comment(`${JSON.stringify(cuts)}, ${refused} attempts refused`);
});

t.test('sends without a ref, each once', async (t) => {
  const { node, rooms, cuts, proxy } = await scene(t, 2);
  const senders = await Promise.all(
    rooms.flatMap((room) =>
      Array.from({ length: SENDERS }, async (_, i) => ({
        room,
        user: `user-${i}`,
        socket: await open(socketUrl(node, room, `user-${i}`), { t }),
      })),
    ),
  );
  const each = SENDS / senders.length;
  await Promise.all(
    senders.map(async ({ room, user, socket }) => {
      const errors = () => socket.frames.filter(({ type }: Frame) => type === 'error').length;
      const echoes = () => received(socket).filter((message) => message.user_id === user).length;
      for (let i = 0; i < each; i += 2) {
        for (let j = i; j < i + 2; j += 1) socket.send({ type: 'text', content: `${user} in ${room}: ${j}` });
        await until('all are answered', () => errors() + echoes() >= i + 2, 30_000, 2);
      }
    }),
  );
  proxy.rule = () => 'pass';
  t.ok(cuts.answer >= 2 && cuts.call >= 1 && cuts.late >= 1, `cut often enough: ${JSON.stringify(cuts)}`);
  for (const room of rooms) {
    const stored = await history(node, room);
    t.strictSame(faultsIn(stored, 1), []);
    t.strictSame(repeatsIn(stored.map(({ content }) => content)), [], 'nothing is stored twice');
    for (const { socket } of senders.filter((one) => one.room === room)) {
      await until('all is live', () => received(socket).length >= stored.length, 15_000);
      t.strictSame(
        received(socket).map(({ id }) => id),
        stored.map(({ id }) => id),
        'what was echoed is what is stored',
      );
    }
  }
  const errors = senders.flatMap(({ socket }) => socket.frames.filter(({ type }) => type === 'error'));
  t.ok(
    errors.every(({ detail }) => typeof detail === 'string' && /may or may not|unavailable/.test(detail)),
    'the rest is refused in words',
  );
  t.comment(`${JSON.stringify(cuts)}, ${errors.length} refused`);
});
