/** What is known of logs without reading them: which rooms are recent. */

import t from 'tap';
import { keys, roomPartition } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';

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
