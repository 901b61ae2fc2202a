/** A primary that hangs, its connections open: its replica takes over, and nobody gets an answer that says so. */

import t from 'tap';
import { partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { createRooms, faultsIn, history, metric, startNodes } from '../helpers/chat.js';
import { Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const ROUNDS = 5;

t.test('a primary of a cluster hangs', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, { primaries: 3, replicas: 3, aof: 'everysec' });
  const nodes = await startNodes(t, 2, cluster.env);
  const rooms = await createRooms(nodes[0] as TestNode, 4);
  const members = await Promise.all(
    rooms.flatMap((room) =>
      nodes.map((node, i) => Member.join(t, { nodes: [node], room, user: `user-${i}`, returns: false })),
    ),
  );
  const sayAll = async (word: string) => {
    for (let i = 0; i < ROUNDS; i += 1)
      await Promise.all(members.map((one) => one.sendUntilAcknowledged(`${one.label} ${word} ${i}`)));
  };
  await sayAll('before');
  const victim = await cluster.primaryOf(partitionSlot(roomPartition(Number(rooms[0]))));
  const inStep = async () => {
    const text = await victim.ask('INFO replication');
    const offset = /master_repl_offset:(\d+)/.exec(text)?.[1];
    return text.includes(`state=online,offset=${offset}`);
  };
  await until('its replica is in step', inStep);
  victim.pause();
  await sayAll('meanwhile');
  victim.resume();
  await sayAll('after');
  const total = 3 * ROUNDS * nodes.length;
  await until('all have all', () => members.every(({ seen }) => seen.length === total), 30_000);
  t.strictSame(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  t.ok(
    members.every(({ open, resets }) => open && resets === 0),
    'nobody was cut off',
  );
  for (const room of rooms) t.strictSame(faultsIn(await history(nodes[0] as TestNode, room), 1), []);
  for (const node of nodes) {
    await until('it is ready', () => isReady(node.url), 30_000, 100);
    t.equal(await metric(node, 'parlance_feed_rollbacks_total'), 0, 'nothing was rolled back');
  }
});
