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
import { breakAppends, type Cuts } from '../helpers/cuts.js';
import { Member } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import { type RedisProxy, startProxy } from '../helpers/proxy.js';
import { startRedis } from '../helpers/redis.js';
import { rng } from '../helpers/rng.js';
import { type Frame, open } from '../helpers/socket.js';
import { onlyOn } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

/** Made longer by IN_DOUBT_SENDS: 100000, say. */
const SENDS = Number(process.env.IN_DOUBT_SENDS ?? 2_000);
const WITHOUT_REF = 2_000;
/** One send in so many loses its client's connection, at any moment of its way. */
const CUT_EVERY = 25;
const ROOMS = 4;
const SENDERS = 5;

const PROXIED = onlyOn('one', 'a proxy is between the nodes and the one server that they know');
interface Scene {
  nodes: TestNode[];
  rooms: string[];
  cuts: Cuts;
  proxy: RedisProxy;
}

async function scene(t: Test, seed: number): Promise<Scene> {
  const redis = await startRedis(t);
  const proxy = await startProxy(t, redis.port);
  const nodes = await startNodes(t, 2, { REDIS_URL: proxy.url });
  const rooms = await createRooms(nodes[0] as TestNode, ROOMS);
  return { nodes, rooms, proxy, cuts: breakAppends([proxy], seed) };
}

// Longer than other files may take, where it is asked for.
if (SENDS > 2_000) t.setTimeout(SENDS * 20);

t.test('sends with a ref, repeated at the other node until they are acknowledged', PROXIED, async (t) => {
  if (SENDS > 2_000) t.setTimeout(SENDS * 20);
  const { nodes, rooms, cuts, proxy } = await scene(t, 1);
  const random = rng(3);
  const cutAfterMs = () => (random.int(CUT_EVERY) === 0 ? random.int(5) : undefined);
  const members: Member[] = [];
  for (const room of rooms) {
    for (let i = 0; i < SENDERS; i += 1)
      members.push(
        await Member.join(t, { nodes, room, user: `user-${i}`, first: i, awayMs: 10, cutAfterMs }),
      );
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
    const stored = await history(nodes[0] as TestNode, room);
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
  const repeats = members.reduce((sum, one) => sum + one.repeats, 0);
  t.ok(repeats >= SENDS / CUT_EVERY / 4, `${repeats} sent again`);
  t.comment(`${JSON.stringify(cuts)}, ${repeats} sent again, ${refused} attempts refused`);
});

t.test('sends without a ref, each once', PROXIED, async (t) => {
  const { nodes, rooms, cuts, proxy } = await scene(t, 2);
  const senders = await Promise.all(
    rooms.flatMap((room) =>
      Array.from({ length: SENDERS }, async (_, i) => ({
        room,
        user: `user-${i}`,
        socket: await open(socketUrl(nodes[i % 2] as TestNode, room, `user-${i}`), { t }),
      })),
    ),
  );
  const each = WITHOUT_REF / senders.length;
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
  // What was refused in doubt and came after all counts twice above, so that some may be open: until the last words.
  await Promise.all(
    senders.map(async ({ room, user, socket }) => {
      let tries = 0;
      await until('its last words are acknowledged', async () => {
        tries += 1;
        const ref = `last ${tries}`;
        socket.send({ type: 'text', content: `${user} in ${room}: ${ref}`, ref });
        return (await socket.next((frame) => frame.ref === ref)).type === 'text';
      });
    }),
  );
  for (const room of rooms) {
    const stored = await history(nodes[1] as TestNode, room);
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
