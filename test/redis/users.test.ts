/** What a node remembers of people. */

import t from 'tap';
import { keys } from '../../src/redis/keys.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

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

  await t.test('but others that have changed meanwhile do not matter', async (t) => {
    const names = ['cat', 'dan', 'eli'];
    for (const name of names) await redis.hset(keys.user(name), { created: 1, name: 'old' });
    await users.getMany(names);
    for (const name of names) await redis.hset(keys.user(name), { name: 'new' });
    for (const name of names) users.forget(name);
    const known = () => names.map((name) => users.known(name)?.name);
    await until('all are read anew', () => known().every((name) => name === 'new'));
    await redis.hset(keys.user('flo'), { created: 1, name: 'Flo' });
    const reading = users.get('flo');
    users.forget('cat');
    t.equal((await reading)?.name, 'Flo');
    t.equal(users.known('flo')?.name, 'Flo');
  });
});

t.test('what a token says does not bring back what a newer one has changed', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const here = redisSide(t, server);
  // Another node has a newer token of the same person, while this one is listing them.
  const { commands } = here as unknown as { commands: { zadd: (...args: unknown[]) => Promise<unknown> } };
  const zadd = commands.zadd.bind(commands);
  commands.zadd = async (...args) => {
    commands.zadd = zadd;
    await redis.hset(keys.user('eve'), { name: 'new', claims: 2 });
    here.users.forget('eve');
    return zadd(...args);
  };
  await here.users.ensure('eve', { name: 'old' }, 1);
  t.not(here.users.known('eve')?.name, 'old');
  t.equal((await here.users.ensure('eve', { name: 'old' }, 1)).name, 'new');
  t.equal(here.users.known('eve')?.name, 'new');
});
