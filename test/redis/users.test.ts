/** What a node remembers of people. */

import t from 'tap';
import { keys } from '../../src/redis/keys.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';

t.test('a long read does not bring back what somebody was before', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const { users } = redisSide(t, server);
  /** A read that goes on when the first of them, who stands in its first part, is answered. */
  const longRead = (first: string) =>
    users.getMany([first, ...Array.from({ length: 1_500 }, (_, i) => `nobody-${i}`)]);

  await t.test('when they have told it here', async (t) => {
    await users.ensure('ann', { name: 'old' }, 1);
    users.forget('ann');
    const [read, told] = await Promise.all([longRead('ann'), users.ensure('ann', { name: 'new' }, 2)]);
    t.equal(told.name, 'new');
    t.equal(read[0]?.name, 'new');
    t.equal(users.known('ann')?.name, 'new');
  });

  await t.test('when another node says that they have changed', async (t) => {
    await redis.hset(keys.user('bob'), { created: 1, name: 'old' });
    const reading = longRead('bob');
    await users.get('somebody'); // asked behind the first part
    users.forget('bob');
    t.equal((await reading)[0]?.name, 'old', 'it was read before');
    await redis.hset(keys.user('bob'), { name: 'new' });
    t.equal((await users.get('bob'))?.name, 'new');
  });
});
