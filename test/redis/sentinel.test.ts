import t from 'tap';
import { connect, disconnect } from '../../src/redis/connection.js';
import { askRedis } from '../helpers/redis.js';
import { startSentinels } from '../helpers/redis-sentinel.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

t.test('a client that was ended waits for no more news from the sentinels', OWN_SERVERS, async (t) => {
  const { target } = await startSentinels(t);
  const waiting = async () => {
    const lists = target.sentinels.map(({ port }) => askRedis(port, 'CLIENT LIST'));
    return (await Promise.all(lists)).join().match(/ sub=[1-9]/g)?.length ?? 0;
  };
  const client = connect(target, 'commands', 'a-client', quiet);
  await until('it waits for them', async () => (await waiting()) === target.sentinels.length);
  await disconnect(client);
  await until('its connections are gone', async () => (await waiting()) === 0);
  t.ok(await until('it has ended', () => client.status === 'end'));
});

t.test('a sentinel that hangs is passed over', OWN_SERVERS, async (t) => {
  const { target } = await startSentinels(t);
  const [first = { host: '', port: 0 }] = target.sentinels;
  const pid = Number(/process_id:(\d+)/.exec(await askRedis(first.port, 'INFO server'))?.[1]);
  process.kill(pid, 'SIGSTOP');
  t.teardown(() => process.kill(pid, 'SIGCONT')); // only then it can be ended
  for (const role of ['commands', 'appends', 'subscriptions'] as const) {
    const client = connect(target, role, 'a-client', quiet);
    t.teardown(() => disconnect(client));
    t.ok(await until(`${role} are connected`, () => client.status === 'ready', 20_000));
  }
});
