/** What is known of logs without reading them: which rooms are recent. */

import t from 'tap';
import type { Room } from '../../src/core/model.js';
import { keys, partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS, startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const secondOf = (ms: number) => Math.floor(ms / 1_000) * 1_000;

t.test('the index of recent rooms has the second of the newest append, written once a second', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const side = redisSide(t, server);
  const room = await side.rooms.createPublic('a room');
  const append = (nonce: string) => side.log.append(draftOf(room, { nonce }));
  const index = keys.recent(roomPartition(room.id));
  const recent = async () => (await side.log.recentlyAppended(new Set([room.id]))).get(room.id);

  t.equal(await recent(), undefined, 'nobody has spoken');
  const first = await append('n1');
  t.equal(await recent(), secondOf(first.createdMs));

  await redis.zrem(index, String(room.id));
  const soon = first.createdMs + 60_000;
  await redis.hset(keys.room(room.id), 'tip', `1 ${soon} n1`);
  t.equal((await append('n2')).createdMs, soon, 'of the same second as the one before it');
  t.equal(await recent(), undefined, 'it is not written again');

  const before = first.createdMs - 1_000;
  await redis.hset(keys.room(room.id), 'tip', `2 ${before} n2`);
  const third = await append('n3');
  t.equal(await recent(), secondOf(third.createdMs), 'the next second is');
});

t.test('a room whose newest message is of a time that its server has yet to come to', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const side = redisSide(t, server);
  const rooms = await Promise.all([1, 2, 3].map(() => side.rooms.createPublic('a room')));
  const [now, soon, later] = rooms as [Room, Room, Room];
  const { createdMs } = await side.log.append(draftOf(now, { text: 'now' }));
  for (const [i, room] of [soon, later].entries()) {
    const at = createdMs + (i + 1) * 60_000;
    await redis.zadd(keys.recent(roomPartition(room.id)), secondOf(at), String(room.id));
  }
  const look = () => side.log.recentlyAppended(new Set(rooms.map(({ id }) => id)));
  const first = await look();
  t.equal(first.get(now.id), secondOf(createdMs));
  const [clock] = await redis.time();
  for (const { id } of [soon, later]) {
    t.ok(Math.abs(Number(clock) * 1_000 - (first.get(id) ?? 0)) <= 1_000, `${first.get(id)} is this second`);
    await until('it goes with the time', async () => (await look()).get(id) !== first.get(id));
  }
  t.equal((await look()).get(now.id), secondOf(createdMs), 'the other stays where it is');
});

t.test('a primary that is away keeps nobody from what others have', OWN_SERVERS, async (t) => {
  const settings = { 'cluster-require-full-coverage': 'no' };
  const cluster = await startRedisCluster(t, { primaries: 3, settings });
  const side = redisSide(t, cluster);
  const rooms = await Promise.all(Array.from({ length: 6 }, () => side.rooms.createPublic('a room')));
  const ids = new Set(rooms.map(({ id }) => id));
  const primaries = await Promise.all(
    rooms.map(({ id }) => cluster.primaryOf(partitionSlot(roomPartition(id)))),
  );
  for (const room of rooms) await side.log.append(draftOf(room, { text: 'hello' }));
  t.strictSame(new Set((await side.log.recentlyAppended(ids)).keys()), ids);
  const [away] = primaries;
  await away?.kill9();
  const living = rooms.filter((_, i) => primaries[i] !== away).map(({ id }) => id);
  t.not(living.length, 0);
  const look = async () => [...(await side.log.recentlyAppended(ids)).keys()].sort();
  // The clients of a cluster that has just lost a primary may miss another one for a moment.
  const answered = async () => (await look()).join() === [...living].sort().join();
  t.ok(await until('the others answer', answered, 20_000));
  const heads = await until('so do their heads', async () => {
    const found = await side.rooms.heads([...ids]);
    return found.filter((head) => head !== 'away').length >= living.length && found;
  });
  t.match(
    heads,
    rooms.map(({ id }) => (living.includes(id) ? { room: { id }, tip: { offset: 1 } } : 'away')),
  );
  const versions = await side.rooms.versions(Array.from({ length: 12 }, (_, i) => `user-${i}`));
  t.ok(versions.includes(0), 'of some it is known');
  t.ok(versions.includes(undefined), 'of others it is not');
  for (const primary of new Set(primaries)) await primary.kill9();
  await t.rejects(look(), { code: 'unavailable' }, 'with nobody there it is said');
  await t.rejects(side.rooms.heads([...ids]), { code: 'unavailable' });
});
