/** One connection for appends: what waits for it, and what goes over it. */

import { Redis } from 'ioredis';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import type { Appended } from '../../src/core/ports.js';
import { AppendLane, type LaneOptions, SEND_DEADLINE_MS } from '../../src/redis/lane.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { type Owner, until } from '../helpers/wait.js';

const NOBODY: Room = { id: 1, kind: 'public', name: '', participants: [], createdMs: 1 };

const nothing = () => undefined;

function laneOn(t: Owner, redis: Redis, more: Partial<LaneOptions> = {}): AppendLane {
  const log = { info: nothing, warn: nothing, error: nothing };
  const plain = { keepMessages: 0, onePartition: false, confirm: undefined, onMissing: nothing, log };
  const lane = new AppendLane(redis, 'test', { ...plain, ...more });
  t.teardown(() => {
    lane.retire();
    redis.disconnect();
  });
  return lane;
}

const itemOf = (room: Room, since: number) => ({
  draft: draftOf(room),
  since,
  bytes: 1,
  join: undefined,
  open: true,
});

t.test('what was routed anew is answered in time, behind whatever it stands', async (t) => {
  const lane = laneOn(t, new Redis({ lazyConnect: true }));
  const push = (since: number) => {
    const item = { ...itemOf(NOBODY, since), resolve: nothing, reject: nothing };
    lane.push(item);
    return item;
  };
  const young = push(performance.now());
  const old = push(performance.now() - SEND_DEADLINE_MS);
  await until('the old one is answered', () => !old.open);
  t.ok(young.open, 'the other one still waits');
});

t.test('what could only be stored behind others that came later is not', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const side = redisSide(t, server);
  const room = await side.rooms.createPublic('a room');
  let served = true;
  const lane = laneOn(t, new Redis(server.url), { serves: () => served });
  const send = () =>
    new Promise<Appended>((resolve, reject) => {
      lane.push({ ...itemOf(room, performance.now()), resolve, reject });
    });
  t.equal((await send()).offset, 1);
  await server.ask('SCRIPT FLUSH');
  t.equal((await send()).offset, 2, 'a refused one goes out again');
  await server.ask('SCRIPT FLUSH');
  served = false;
  await t.rejects(send(), { code: 'unavailable' }, 'but not where its slot has moved meanwhile');
  served = true;
  t.equal((await send()).offset, 3);
});
