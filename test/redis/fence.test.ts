/** What is found out of a send whose answer was lost with its connection. */

import { Redis } from 'ioredis';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import type { Draft } from '../../src/core/ports.js';
import type { PendingAppend } from '../../src/redis/batch.js';
import { lookUp } from '../../src/redis/fence.js';
import { keys } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';
import { OWN_SERVERS } from '../helpers/topology.js';

const HOUR_MS = 3_600_000;

t.test('a send in doubt', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const side = redisSide(t, server);
  const newRoom = () => side.rooms.createPublic('a room');
  /** What is found of `draft`, sent a second ago: its offset, 'unknown', or undefined. */
  const find = async (draft: Draft) => {
    const item = { draft, since: performance.now() - 1_000 } as PendingAppend;
    const found = (await lookUp(redis, [item])).get(draft.nonce);
    return typeof found === 'object' ? found.offset : found;
  };
  const speak = async (room: Room, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, () => side.log.append(draftOf(room))));
  };
  /** As if the room's first entry were of `createdMs`, and those before it trimmed. */
  const begin = (room: Room, offset: number, createdMs: number) => {
    const fields = ['n', 'first', 's', 'ann', 't', 'hello', 'a', '', 'c', createdMs, 'v', 'rooms'];
    return Promise.all([
      redis.xadd(keys.log(room.id), `0-${offset}`, ...fields),
      redis.hset(keys.room(room.id), 'tip', `${offset} ${createdMs} first`),
    ]);
  };

  t.test('is found where it stands', async (t) => {
    const room = await newRoom();
    const draft = draftOf(room);
    await side.log.append(draft);
    await speak(room, 600);
    t.equal(await find(draft), 1);
  });

  t.test('was not stored when the whole log does not have it', async (t) => {
    const room = await newRoom();
    t.equal(await find(draftOf(room)), undefined, 'in an empty one');
    await speak(room, 256);
    t.equal(await find(draftOf(room)), undefined, 'in one that ends with a page');
    await speak(room, 1);
    t.equal(await find(draftOf(room)), undefined);
  });

  t.test('may have been trimmed from a log that does not reach back to it', async (t) => {
    const room = await newRoom();
    await begin(room, 5, Date.now());
    t.equal(await find(draftOf(room)), 'unknown');
    await speak(room, 300);
    t.equal(await find(draftOf(room)), 'unknown');
  });

  t.test('was not stored when what is left of the log begins before it', async (t) => {
    const room = await newRoom();
    await begin(room, 5, Date.now() - HOUR_MS);
    await speak(room, 300);
    t.equal(await find(draftOf(room)), undefined);
  });

  t.test('is found whatever the clock of this node says', async (t) => {
    const room = await newRoom();
    const draft = draftOf(room);
    await side.log.append(draft);
    await speak(room, 1);
    const { now } = Date;
    Date.now = () => now() + HOUR_MS;
    t.teardown(() => {
      Date.now = now;
    });
    t.equal(await find(draft), 1);
  });
});
