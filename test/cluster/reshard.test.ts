/** Slots of a cluster that move from one primary to another while people talk in the rooms that lie there. */

import t from 'tap';
import { partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { createRooms, metric, startNodes, untilLive } from '../helpers/chat.js';
import { keepTalking, Member } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import type { RedisServer } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { settle } from '../helpers/scene.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const HALFWAY_MS = 600;

t.test('slots move under load', OWN_SERVERS, async (t) => {
  // Nothing is to fail because the machine is busy.
  const cluster = await startRedisCluster(t, { primaries: 3, nodeTimeoutMs: 15_000 });
  const nodes = await startNodes(t, 2, cluster.env);
  const rooms = await createRooms(nodes[0] as TestNode, 4);
  const members = await Promise.all(
    rooms.flatMap((room) =>
      nodes.map((_, i) => Member.join(t, { nodes, room, user: `user-${i}`, first: i, returns: false })),
    ),
  );
  const flows = async (count: number) => {
    const before = members.map(({ acknowledged }) => acknowledged.size);
    const all = () =>
      members.every(({ acknowledged }, i) => acknowledged.size >= (before[i] as number) + count);
    await until('it flows', all, 30_000);
  };
  const talk = keepTalking(members, 30);
  await flows(5);
  for (const [i, room] of rooms.entries()) {
    const slot = partitionSlot(roomPartition(Number(room)));
    const from = await cluster.primaryOf(slot);
    const to = cluster.servers.find((server) => server !== from) as RedisServer;
    // One of them stays where two servers have half of the keys each for a while.
    const keys = await cluster.moveSlot(slot, to, () => sleep(i === 0 ? HALFWAY_MS : 0));
    t.ok(keys >= 4, `${keys} keys moved`);
    t.equal((await cluster.primaryOf(slot)).port, to.port);
    await flows(5);
  }
  const sent = await talk.stop();
  const open = () => {
    const answered = new Set(members.flatMap((one) => [...one.acknowledged.keys(), ...one.refused.keys()]));
    return sent.filter((content) => !answered.has(content));
  };
  await until('no send is open', () => open().length === 0, 20_000);
  await settle(t, { nodes, rooms, members }, sent);
  const refused = members.flatMap((one) => [...one.refused]);
  t.strictSame(refused, [], 'what met a slot on its way was sent on, and not refused');

  // It comes live: the nodes listen where the slots are now.
  await untilLive(nodes, async (round) => {
    const due = members.map((member) => member.seen.length + nodes.length);
    await Promise.all(members.map((one) => one.sendUntilAcknowledged(`${one.label} at last ${round}`)));
    await until('all have it', () => members.every((one, i) => one.seen.length >= (due[i] as number)));
  });
  for (const node of nodes) t.equal(await metric(node, 'parlance_feed_rollbacks_total'), 0);
});
