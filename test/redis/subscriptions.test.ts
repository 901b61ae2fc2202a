/** Subscriptions that were given up and made anew, on one Redis and on a cluster. */

import calculateSlot from 'cluster-key-slot';
import { Cluster, Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { type Client, connect, disconnect } from '../../src/redis/connection.js';
import { channels } from '../../src/redis/keys.js';
import { Subscriptions } from '../../src/redis/subscriptions.js';
import { type Passage, startProxy } from '../helpers/proxy.js';
import { type RedisPlace, type RedisServer, startRedis } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS, startAnyRedis } from '../helpers/topology.js';
import { type Owner, sleep, until } from '../helpers/wait.js';

const ROOMS = 300;
const names = Array.from({ length: ROOMS }, (_, i) => channels.room(i + 1));
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Subscriptions to all of `names`, and somebody who publishes. */
async function scene(t: Owner, { target }: RedisPlace) {
  const heard = new Map<string, number>();
  const renewed = new Set<string>();
  const clients: Client[] = [];
  const subscriptions = new Subscriptions(
    () => {
      const client = connect(target, 'subscriptions', 'listener', quiet);
      clients.push(client);
      return client;
    },
    {
      onMessage: (channel) => void heard.set(channel, (heard.get(channel) ?? 0) + 1),
      onRenewed: (which) => {
        for (const channel of which) renewed.add(channel);
      },
    },
    quiet,
  );
  const publisher = connect(target, 'commands', 'publisher', quiet);
  t.teardown(async () => {
    await subscriptions.close();
    await disconnect(publisher);
  });
  const subscribeAll = async () => {
    await until('it is connected', () => clients[0]?.status === 'ready', 20_000);
    await subscriptions.subscribe(names);
  };
  const publishAll = () => Promise.all(names.map((name) => publisher.spublish(name, 'x')));
  return { subscriptions, clients, subscribeAll, publishAll, heard, renewed };
}

async function suite(t: Test, redis: RedisPlace): Promise<void> {
  const { subscriptions, clients, subscribeAll, publishAll, heard, renewed } = await scene(t, redis);
  t.ok(clients[0] instanceof (redis.target.cluster ? Cluster : Redis));
  await subscribeAll();
  await publishAll();
  await until('all are heard', () => heard.size === ROOMS);

  for (let round = 1; round <= 3; round += 1) {
    renewed.clear();
    heard.clear();
    // More than once, as when one that is being made turns out not to listen either.
    for (let i = 0; i < round; i += 1) subscriptions.renew();
    await until('all were made anew', () => renewed.size === ROOMS, 20_000);
    await publishAll();
    await until(`all are heard after renewal ${round}`, () => heard.size === ROOMS, 20_000);
    t.ok(
      [...heard.values()].every((times) => times === 1),
      'each once',
    );
  }

  await until('those that were given up are gone', () =>
    clients.slice(0, -1).every(({ status }) => status === 'end'),
  );

  t.test('what is given up is not made anew', async (t) => {
    const [given = ''] = names;
    subscriptions.unsubscribe(given);
    renewed.clear();
    heard.clear();
    subscriptions.renew();
    await until('the others were made anew', () => renewed.size === ROOMS - 1, 20_000);
    await publishAll();
    await until('the others are heard', () => heard.size === ROOMS - 1, 20_000);
    t.notOk(heard.has(given));
  });
}

t.test('the Redis of this run', async (t) => suite(t, await startAnyRedis(t)));
t.test('given up again and again while a primary of a cluster hangs', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, { nodeTimeoutMs: 60_000 });
  const { subscriptions, clients, subscribeAll, publishAll, heard } = await scene(t, cluster);
  await subscribeAll();
  const [hanging] = cluster.servers;
  hanging?.pause();
  // A client that is being made connects to all primaries, and gets no further than that with one.
  for (let i = 0; i < 3; i += 1) {
    subscriptions.renew();
    await until('there is a client again', () => clients.at(-1)?.status === 'ready', 30_000);
  }
  hanging?.resume();
  // As a node does that does not hear itself.
  const hears = async () => {
    subscriptions.renew();
    heard.clear();
    const publish = async () => {
      await publishAll();
      return until('they are heard', () => heard.size === ROOMS, 500);
    };
    return until('all are heard', publish, 5_000);
  };
  t.ok(await until('all are heard', hears, 60_000));
});
t.test(
  'one primary of a cluster that refuses does not keep the others from being heard',
  OWN_SERVERS,
  async (t) => {
    const cluster = await startRedisCluster(t, { primaries: 3 });
    const { subscriptions, subscribeAll, publishAll, heard, renewed } = await scene(t, cluster);
    await subscribeAll();
    const [refusing] = cluster.servers;
    await refusing?.ask('ACL SETUSER default -ssubscribe');
    subscriptions.renew();
    await until('the others are made anew', () => renewed.size > ROOMS / 3, 20_000);
    await sleep(1_000);
    const before = renewed.size;
    t.ok(before < ROOMS, `${before} of ${ROOMS}`);
    await refusing?.ask('ACL SETUSER default +ssubscribe');
    await until('so are those, when it takes them again', () => renewed.size === ROOMS, 20_000);
    await publishAll();
    await until('all are heard', () => heard.size === ROOMS);
    t.strictSame(new Set(heard.values()), new Set([1]), 'once');
  },
);

t.test('a connection that goes silent while it is being made is made anew', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const proxy = await startProxy(t, server.port);
  const target = { ...server.target, urls: [proxy.url] };
  const { clients, subscribeAll, publishAll, heard, renewed } = await scene(t, { target, env: {} });
  await subscribeAll();
  let silent: Passage | undefined;
  proxy.rule = (passage, _, data) => {
    if (data.includes('listener')) silent ??= passage;
    return passage === silent ? 'swallow' : 'pass';
  };
  for (const passage of proxy.open) passage.cut();
  await until('it has said who it is', () => silent);
  t.equal(clients[0]?.status, 'connect', 'and hears nothing');
  await until('all were made anew', () => renewed.size === ROOMS, 20_000);
  await publishAll();
  await until('all are heard', () => heard.size === ROOMS);
  t.equal(clients.length, 1, 'by the client itself');
});
t.test('a cluster', OWN_SERVERS, async (t) => suite(t, await startRedisCluster(t)));

t.test(
  'slots that move take their channels along, and it is said that something may be lost',
  OWN_SERVERS,
  async (t) => {
    const cluster = await startRedisCluster(t);
    const { subscribeAll, publishAll, heard, renewed } = await scene(t, cluster);
    await subscribeAll();
    await publishAll();
    await until('all are heard', () => heard.size === ROOMS);
    await sleep(2_000); // it is said of the beginning too
    renewed.clear();
    const [first = ''] = names;
    const slot = calculateSlot(first);
    const from = await cluster.primaryOf(slot);
    await cluster.moveSlot(slot, cluster.servers.find((server) => server !== from) as RedisServer);
    await until('it is said', () => renewed.has(first), 20_000);
    const hears = async () => {
      heard.clear();
      await publishAll();
      return until('all are heard', () => heard.size === ROOMS, 2_000);
    };
    t.ok(await until('they listen where it is now', hears, 30_000));
  },
);
