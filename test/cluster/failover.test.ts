/** A primary that dies for good: its replica takes over, and clients notice nothing but a pause. */

import t from 'tap';
import { keys, partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { createRooms, faultsIn, history, metric, startNodes, untilLive } from '../helpers/chat.js';
import { Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { clientOf, type RedisPlace, type RedisServer } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { startSentinels } from '../helpers/redis-sentinel.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { type Owner, until } from '../helpers/wait.js';

const ROUNDS = 10;

/** Two members on two nodes in every room. Nobody comes back: the sockets have to live through it. */
async function talkers(t: Owner, nodes: readonly TestNode[], rooms: readonly string[]): Promise<Member[]> {
  const joins = rooms.flatMap((room) =>
    nodes.map((node, i) => Member.join(t, { nodes: [node], room, user: `user-${i}`, returns: false })),
  );
  return Promise.all(joins);
}

async function sayAll(members: readonly Member[], word: string, ms = 60_000): Promise<void> {
  await Promise.all(members.map((member) => member.sendUntilAcknowledged(`${member.label} ${word}`, ms)));
}

/** Whether every replica of `primary` has all that was written there. */
async function inStep(primary: RedisServer): Promise<boolean> {
  const text = await primary.ask('INFO replication');
  const offset = /master_repl_offset:(\d+)/.exec(text)?.[1];
  const replicas = [...text.matchAll(/state=online,offset=(\d+)/g)].map((match) => match[1]);
  return replicas.length > 0 && replicas.every((one) => one === offset);
}

async function throughFailover(
  t: Tap,
  nodes: readonly TestNode[],
  rooms: readonly string[],
  redis: RedisPlace,
  victim: RedisServer,
): Promise<void> {
  const client = clientOf(t, redis);
  const members = await talkers(t, nodes, rooms);
  for (let i = 0; i < ROUNDS; i += 1) await sayAll(members, `before ${i}`);
  // As if its replica had not got its last second: nobody but the nodes knows who is there.
  const here = keys.here(Number(rooms[0]));
  t.ok((await client.del(here)) === 1);
  await until('the replicas are in step', () => inStep(victim));
  await victim.kill9();
  await sayAll(members, 'meanwhile', 90_000);
  for (let i = 0; i < ROUNDS; i += 1) await sayAll(members, `after ${i}`);
  const total = (2 * ROUNDS + 1) * nodes.length;
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
  for (const room of rooms) {
    const stored = await history(nodes[0] as TestNode, room);
    if (stored.length !== total || faultsIn(stored, 1).length > 0) t.fail(`room ${room} is not whole`);
  }
  for (const node of nodes) {
    await until('it is ready', () => isReady(node.url), 30_000, 100);
    t.equal(await metric(node, 'parlance_feed_rollbacks_total'), 0, 'nothing was rolled back');
  }
  await until('they say again who is there', async () => (await client.hget(here, '#')) === '2');
  // It comes live: the nodes listen to the new primary.
  await untilLive(nodes, async (round) => {
    await sayAll(members, `at last ${round}`);
    await until('all have it', () =>
      members.every(({ seen }) => seen.length >= total + nodes.length * round),
    );
  });
}

type Tap = Owner & Pick<typeof t, 'strictSame' | 'ok' | 'equal' | 'fail'>;

t.test('a cluster of three primaries and three replicas', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, { primaries: 3, replicas: 3, aof: 'everysec' });
  const nodes = await startNodes(t, 2, cluster.env);
  const rooms = await createRooms(nodes[0] as TestNode, 9);
  const victim = await cluster.primaryOf(partitionSlot(roomPartition(Number(rooms[0]))));
  await throughFailover(t, nodes, rooms, cluster, victim);
});

t.test('a Sentinel group', OWN_SERVERS, async (t) => {
  // A primary that is only slow is not to be replaced.
  const group = await startSentinels(t, { replicas: 2, aof: 'everysec', downMs: 4_000 });
  const nodes = await startNodes(t, 2, group.env);
  const rooms = await createRooms(nodes[0] as TestNode, 4);
  const first = await group.primary();
  await throughFailover(t, nodes, rooms, group, first);
  t.not((await group.primary()).port, first.port, 'another one is primary');
});
