/** A cluster whose connections die or break while its servers are well: a proxy is in front of each primary. */

import t from 'tap';
import { createRooms, faultsIn, history, metric, repeatsIn, startNodes, untilLive } from '../helpers/chat.js';
import { breakAppends, deafen } from '../helpers/cuts.js';
import { Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { type RedisProxy, startProxy } from '../helpers/proxy.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { rng } from '../helpers/rng.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { type Owner, until } from '../helpers/wait.js';

const SENDS = 1_000;
const CUT_EVERY = 25;
/** Of partitions that follow each other, which lie on different primaries. */
const ROOMS = 4;

interface ProxiedCluster {
  proxies: RedisProxy[];
  env: Record<string, string>;
}

/** A cluster that names a proxy wherever it names one of its primaries. */
async function startProxied(t: Owner): Promise<ProxiedCluster> {
  // Nothing is to fail because the machine is busy.
  const { servers } = await startRedisCluster(t, { primaries: 3, aof: 'always', nodeTimeoutMs: 15_000 });
  const proxies = await Promise.all(servers.map((server) => startProxy(t, server.port)));
  for (const [i, server] of servers.entries())
    await server.ask(`CONFIG SET cluster-announce-port ${proxies[i]?.port}`);
  const named = async () => {
    const answers = await Promise.all(servers.map((server) => server.ask('CLUSTER SLOTS')));
    return answers.every((slots) => proxies.every(({ port }) => slots.includes(`:${port}\r\n`)));
  };
  await until('all of them name the proxies', named, 20_000, 50);
  const urls = proxies.map(({ url }) => url).join(',');
  return { proxies, env: { REDIS_URL: urls, REDIS_CLUSTER: 'true' } };
}

t.test('a node whose subscriptions to all primaries are silently dead', OWN_SERVERS, async (t) => {
  const { proxies, env } = await startProxied(t);
  const [[behind], [other]] = (await Promise.all(
    ['behind', 'other'].map((id) => startNodes(t, 1, { ...env, NODE_ID: id })),
  )) as [[TestNode], [TestNode]];
  const rooms = await createRooms(other, ROOMS);
  const join = (node: TestNode, user: string) =>
    Promise.all(rooms.map((room) => Member.join(t, { nodes: [node], room, user, returns: false })));
  const readers = await join(behind, 'reader');
  const writers = await join(other, 'writer');
  const sayAll = async (word: string) => {
    for (let i = 0; i < 5; i += 1)
      await Promise.all(writers.map((one) => one.sendUntilAcknowledged(`${word} ${i}`)));
  };
  const { swallowed } = deafen(proxies, 'subscriptions', 'behind');
  // Looked at from now on: it heals two seconds after it has noticed.
  const noticed = until('it says that it is not ready', async () => !(await isReady(behind.url)), 30_000, 20);
  noticed.catch(() => undefined);
  await sayAll('unheard');
  await until('they arrive all the same', () => readers.every(({ seen }) => seen.length === 5));
  t.ok(swallowed() > 0, 'the events were swallowed');
  await noticed;
  t.ok(await isReady(other.url), 'the other one hears');
  await until('it healed by itself', () => isReady(behind.url));
  const found = await metric(behind, 'parlance_deafness_total');
  t.ok(found >= 1 && found <= proxies.length, `found ${found} times, once for a primary at the most`);

  const rounds = await untilLive([behind], async (round) => {
    const due = readers.map(({ seen }) => seen.length + 5);
    await sayAll(`heard${'!'.repeat(round)}`);
    await until('they arrive', () => readers.every(({ seen }, i) => seen.length >= (due[i] as number)));
  });
  for (const { seen, faults, resets, open } of readers) {
    t.strictSame(faults, []);
    t.ok(open && resets === 0, 'the reader noticed nothing');
    const numbers = seen.map(({ content }) => content.replace(/\D/g, ''));
    t.equal(numbers.join(''), '01234'.repeat(1 + rounds));
  }
});

t.test('sends with a ref, repeated at the other node until they are acknowledged', OWN_SERVERS, async (t) => {
  const { proxies, env } = await startProxied(t);
  const nodes = await startNodes(t, 2, { ...env, DURABILITY: 'durable', WAIT_REPLICAS: '0' });
  const rooms = await createRooms(nodes[0] as TestNode, ROOMS);
  const cuts = breakAppends(proxies, 1);
  const random = rng(3);
  const cutAfterMs = () => (random.int(CUT_EVERY) === 0 ? random.int(5) : undefined);
  const members = await Promise.all(
    rooms.flatMap((room) =>
      ['ann', 'bob', 'cleo', 'dan', 'eve'].map((user, first) =>
        Member.join(t, { nodes, room, user, first, awayMs: 10, cutAfterMs }),
      ),
    ),
  );
  const each = SENDS / members.length;
  await Promise.all(
    members.map(async (one) => {
      for (let i = 0; i < each; i += 1) await one.sendUntilAcknowledged(`${one.user} in ${one.room}: ${i}`);
    }),
  );
  for (const proxy of proxies) proxy.rule = () => 'pass';
  t.ok(cuts.answer >= 2 && cuts.call >= 1 && cuts.late >= 1, `cut often enough: ${JSON.stringify(cuts)}`);
  for (const room of rooms) {
    const stored = await history(nodes[0] as TestNode, room);
    t.equal(stored.length, SENDS / ROOMS, 'exactly what was sent is stored');
    t.strictSame(repeatsIn(stored.map(({ content }) => content)), [], 'each once');
    t.strictSame(faultsIn(stored, 1), []);
    const wrong = members
      .filter((one) => one.room === room)
      .flatMap((one) =>
        stored.filter(({ user_id }) => user_id === one.user).map((message) => ({ one, message })),
      )
      .filter(({ one, message }) => one.acknowledged.get(message.content) !== message.id);
    t.strictSame(wrong, [], 'acknowledged with its id');
  }
  t.strictSame(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  const refused = members.reduce((sum, { errors }) => sum + errors.length, 0);
  t.ok(
    refused <= SENDS / 50,
    `${refused} attempts refused: what was found in the log is confirmed, and told`,
  );
  t.comment(JSON.stringify(cuts));
});
