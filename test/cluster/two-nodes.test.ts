import t from 'tap';
import {
  createRooms,
  faultsIn,
  history,
  offsetOf,
  received,
  repeatsIn,
  socketUrl,
  startNodes,
} from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import type { TestNode } from '../helpers/node.js';
import { rng } from '../helpers/rng.js';
import { open, type TestSocket } from '../helpers/socket.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const ROOMS = 50;
const MEMBERS = 20;
const EACH = 3;
const SENT = MEMBERS * EACH;

t.test('fifty rooms of twenty over two nodes', async (t) => {
  const redis = await startAnyRedis(t);
  const [a, b] = (await startNodes(t, 2, { ...redis.env })) as [TestNode, TestNode];
  const rooms = await createRooms(a, ROOMS);
  const crowd = new Map<string, TestSocket[]>();
  for (const room of rooms) {
    const members = Array.from({ length: MEMBERS }, (_, i) => {
      return open(socketUrl(i % 2 === 0 ? a : b, room, `user-${i}`), { t });
    });
    crowd.set(room, await Promise.all(members));
  }
  const everyone = [...crowd.values()].flat();
  await until('everyone has the history', () => everyone.every((socket) => socket.frames.length > 0));

  const random = rng(20);
  for (let round = 0; round < EACH; round += 1) {
    for (const [room, members] of random.shuffle([...crowd])) {
      members.forEach((member, i) => {
        member.send({ type: 'text', content: `${round} of ${i} in ${room}`, ref: `${round}-${i}` });
      });
    }
    // The next round while this one is on its way, now and then after it.
    if (random.int(2) === 0) await until('an echo', () => received(everyone[0] as TestSocket).length > round);
  }
  await until(
    'every message is everywhere',
    () => everyone.every((socket) => received(socket).length >= SENT),
    60_000,
    100,
  );

  t.test('every member gets every message once, in the order of the log', async (t) => {
    for (const [room, members] of crowd) {
      const orders = members.map((member) => received(member).map(({ content }) => content));
      const faults = members.flatMap((member) => faultsIn(received(member), 1));
      if (faults.length > 0) t.strictSame(faults, [], `room ${room} without holes and repeats`);
      const odd = orders.filter((order) => order.length !== SENT || order.join() !== orders[0]?.join());
      if (odd.length > 0) t.strictSame(odd, [], `room ${room} in one order for all`);
      if (repeatsIn(orders[0] ?? []).length > 0) t.fail(`room ${room} has a message twice`);
    }
    t.equal(everyone.length, ROOMS * MEMBERS, 'everybody was looked at');
  });

  t.test('the sender gets its own message as the acknowledgement, the others without the ref', async (t) => {
    const wrong: unknown[] = [];
    for (const members of crowd.values()) {
      members.forEach((member, i) => {
        for (const { user_id, ref } of received(member)) {
          const own = user_id === `user-${i}`;
          if (own !== (ref !== undefined) || (own && !String(ref).endsWith(`-${i}`)))
            wrong.push([i, user_id, ref]);
        }
      });
    }
    t.strictSame(wrong, []);
  });

  t.test('each client sees its own messages in the order it sent them', async (t) => {
    const wrong = everyone.filter((member) => {
      const rounds = received(member).flatMap(({ ref }) =>
        ref === undefined ? [] : [Number.parseInt(String(ref), 10)],
      );
      return rounds.join() !== Array.from({ length: EACH }, (_, i) => i).join();
    });
    t.equal(wrong.length, 0);
  });

  t.test('GET shows the same on both nodes', async (t) => {
    for (const [room, members] of crowd) {
      const live = received(members[0] as TestSocket).map(({ id }) => id);
      for (const node of [a, b]) {
        const stored = await history(node, room);
        if (stored.map(({ id }) => id).join() !== live.join()) t.fail(`room ${room} differs on ${node.url}`);
      }
    }
    const [room] = rooms;
    const newest = await request<{ id: string }[]>('GET', `${b.url}/api/v1/rooms/${room}/messages?limit=7`);
    t.strictSame(
      newest.body.map(offsetOf),
      Array.from({ length: 7 }, (_, i) => SENT - 6 + i),
      'the newest are kept, oldest first',
    );
  });

  t.test('no message had to be fetched that came live', async (t) => {
    for (const node of [a, b]) {
      const { text } = await request('GET', `${node.url}/metrics`);
      t.match(text, /^parlance_feed_gaps_total 0$/m, 'no gaps without faults');
      t.match(text, /^parlance_feed_rollbacks_total 0$/m, 'no rollbacks');
    }
  });
});
