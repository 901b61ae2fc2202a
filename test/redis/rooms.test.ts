import { Redis } from 'ioredis';
import t from 'tap';
import { LAST_NUMBER } from '../../src/core/ids.js';
import type { Room } from '../../src/core/model.js';
import { keys } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';
import { OWN_SERVERS } from '../helpers/topology.js';

t.test('rooms', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const { rooms, log } = redisSide(t, server);
  const say = (room: Room, sender: string) => log.append(draftOf(room, { sender }));

  t.test('a pair whose room a fail-over lost has another one after the first send that failed', async (t) => {
    const { room } = await rooms.openDirect('lost', 'found');
    await say(room, 'lost');
    t.equal((await rooms.openDirect('found', 'lost')).room.id, room.id);
    await redis.del(keys.room(room.id), keys.direct('lost', 'found'));
    await t.rejects(say(room, 'lost'), { code: 'not_found' });
    const { room: next, created } = await rooms.openDirect('found', 'lost');
    t.equal(created, true);
    t.not(next.id, room.id);
    t.equal((await say(next, 'lost')).offset, 1);
  });

  t.test('heads: what rooms are and where they stand; nothing of what there is not', async (t) => {
    const room = await rooms.createPublic('a room');
    const quiet = await rooms.createPublic('quiet');
    await say(room, 'ann');
    await say(room, 'bob');
    const [spoken, missing, silent] = await rooms.heads([room.id, 4_711, quiet.id]);
    t.match(spoken, { room, tip: { offset: 2, nonce: /./ } });
    t.equal(missing, undefined);
    t.strictSame(silent, { room: quiet, tip: { offset: 0, nonce: '' } });
  });

  t.test('no room has a number with which its messages would have no ids', async (t) => {
    const counted = await redis.get(keys.roomCounter);
    await redis.set(keys.roomCounter, LAST_NUMBER - 1);
    t.equal((await rooms.createPublic('the last')).id, LAST_NUMBER);
    await t.rejects(rooms.createPublic('one more'), { code: 'unavailable' });
    t.equal(await redis.exists(keys.room(LAST_NUMBER + 1)), 0);
    await redis.set(keys.roomCounter, counted as string);
  });

  t.test('the commands of one turn of many callers leave together', async (t) => {
    const reads = async () =>
      Number(/total_reads_processed:(\d+)/.exec((await redis.info('stats')) as string)?.[1]);
    const before = await reads();
    await Promise.all(Array.from({ length: 200 }, (_, i) => rooms.findDirect(`a${i}`, `b${i}`)));
    const needed = (await reads()) - before;
    t.ok(needed < 20, `200 commands were ${needed} reads`);
  });
});
