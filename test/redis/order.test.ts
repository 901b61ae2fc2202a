/** What one sender sends keeps its order, whatever becomes of the connection to Redis. */

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';
import { onlyOn } from '../helpers/topology.js';

const ROUNDS = 25;
const SENDS = 120;
/** The server is killed while about this many of them have been sent. */
const KILLED_AT = 60;

const ONE = onlyOn('one', 'it is the one server that is killed');

t.test(
  'sends that a killed server caught on their way stand in the order in which they were sent',
  ONE,
  async (t) => {
    const redis = await startRedis(t, { aof: 'everysec' });
    const side = redisSide(t, redis);
    const room = await side.rooms.createPublic('a room');
    for (let round = 0; round < ROUNDS; round += 1) {
      let killed: Promise<void> | undefined;
      const sends: Promise<number | undefined>[] = [];
      for (let i = 0; i < SENDS; i += 1) {
        const append = side.log.append(draftOf(room, { text: `${round}.${i}` }));
        sends.push(
          append.then(
            ({ offset }) => offset,
            () => undefined,
          ),
        );
        if (i === KILLED_AT) killed = redis.kill9().then(() => redis.restart());
        if (i % 2 === 1) await sleep(1);
      }
      await killed;
      const offsets = (await Promise.all(sends)).filter((offset) => offset !== undefined);
      t.ok(offsets.length > KILLED_AT / 2, 'most are stored');
      t.same(
        offsets,
        [...offsets].sort((a, b) => a - b),
        `round ${round}: in order`,
      );
    }
  },
);
