/** What one sender sends keeps its order, whatever becomes of the connection to Redis. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import { partitionSlot, roomPartition } from '../../src/redis/keys.js';
import type { RedisSide } from '../../src/redis/side.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startProxy } from '../helpers/proxy.js';
import { type RedisServer, startRedis } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS, onlyOn } from '../helpers/topology.js';

const ROUNDS = 25;
const MOVES = 12;
const FLUSHES = 6;
const SENDS = 120;
/** What befalls the server does so while about this many of them have been sent. */
const HALFWAY = 60;

/** How long two servers have half of the keys each. */
const HALFWAY_MS = 40;

const ONE = onlyOn('one', 'it is the one server that is killed');

const nothing = () => undefined;

/** Sends in a fast row, with `befall` somewhere in the middle, and answers where those stand that were stored. */
async function row(side: RedisSide, room: Room, befall: () => Promise<unknown>): Promise<number[]> {
  const key = randomUUID();
  let befallen: Promise<unknown> | undefined;
  const sends: Promise<number | undefined>[] = [];
  for (let i = 0; i < SENDS; i += 1) {
    const append = side.log.append(draftOf(room, { text: String(i) }));
    sends.push(
      append.then(
        ({ offset }) => offset,
        () => undefined,
      ),
    );
    // Shares calls with the others, and names a key that is nowhere yet: such a call is refused whole while a slot moves.
    if (i % 3 === 0)
      sends.push(
        side.log.append(draftOf(room, { sender: 'bob', key: `${key}.${i}` })).then(nothing, nothing),
      );
    if (i === HALFWAY) befallen = befall();
    if (i % 2 === 1) await sleep(1);
  }
  await befallen;
  return (await Promise.all(sends)).filter((offset) => offset !== undefined);
}

const ascending = (offsets: readonly number[]) => [...offsets].sort((a, b) => a - b);

t.test(
  'sends that a killed server caught on their way stand in the order in which they were sent',
  ONE,
  async (t) => {
    // With less, one that is killed while its disk is busy forgets what it acknowledged, and gives its offsets again.
    const redis = await startRedis(t, { aof: 'always' });
    const side = redisSide(t, redis);
    const room = await side.rooms.createPublic('a room');
    for (let round = 0; round < ROUNDS; round += 1) {
      const offsets = await row(side, room, () => redis.kill9().then(() => redis.restart()));
      t.ok(offsets.length > HALFWAY / 2, 'most are stored');
      t.same(offsets, ascending(offsets), `round ${round}: in order`);
    }
  },
);

t.test('so do those that a server refuses because it forgot its scripts', ONE, async (t) => {
  const redis = await startRedis(t);
  const proxy = await startProxy(t, redis.port);
  const side = redisSide(t, { env: {}, target: { ...redis.target, urls: [proxy.url] } });
  const room = await side.rooms.createPublic('a room');
  proxy.delayMs = 2; // several calls are under way at once
  for (let round = 0; round < FLUSHES; round += 1) {
    const offsets = await row(side, room, () => redis.ask('SCRIPT FLUSH'));
    t.equal(offsets.length, SENDS, 'all are stored');
    t.same(offsets, ascending(offsets), `round ${round}: in order`);
  }
});

t.test('so do those whose slot moved', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, { primaries: 3 });
  const side = redisSide(t, cluster);
  const room = await side.rooms.createPublic('a room');
  const slot = partitionSlot(roomPartition(room.id));
  for (let round = 0; round < MOVES; round += 1) {
    const from = await cluster.primaryOf(slot);
    const to = cluster.servers.find((server) => server !== from) as RedisServer;
    const offsets = await row(side, room, () => cluster.moveSlot(slot, to, () => sleep(HALFWAY_MS)));
    t.equal(offsets.length, SENDS, 'all are stored');
    t.same(offsets, ascending(offsets), `round ${round}: in order`);
  }
});
