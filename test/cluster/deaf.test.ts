import t from 'tap';
import { createRoom, metric, post, startNodes, untilLive } from '../helpers/chat.js';
import { deafen } from '../helpers/cuts.js';
import { Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { type Passage, startProxy } from '../helpers/proxy.js';
import { startRedis } from '../helpers/redis.js';
import { onlyOn } from '../helpers/topology.js';
import { type Owner, until } from '../helpers/wait.js';

const PROXIED = onlyOn('one', 'a proxy is between the nodes and the one server that they know');

/** Two nodes over one Redis, the first behind a proxy, with a reader on each. */
async function scene(t: Owner) {
  const redis = await startRedis(t);
  const proxy = await startProxy(t, redis.port);
  const [behind] = (await startNodes(t, 1, { REDIS_URL: proxy.url })) as [TestNode];
  const [other] = (await startNodes(t, 1, { REDIS_URL: redis.url })) as [TestNode];
  const room = await createRoom(other);
  const reader = await Member.join(t, { nodes: [behind], room, user: 'reader', returns: false });
  const writer = await Member.join(t, { nodes: [other], room, user: 'writer', returns: false });
  return { proxy, behind, other, room, reader, writer };
}

t.test('a node whose subscriptions are silently dead', PROXIED, async (t) => {
  const { proxy, behind, other, reader, writer } = await scene(t);
  const connects = await metric(behind, 'parlance_redis_connects_total');
  const { swallowed } = deafen([proxy], 'subscriptions');
  const start = performance.now();
  // Looked at from now on: it heals two seconds after it has noticed.
  const noticed = until('it says that it is not ready', async () => !(await isReady(behind.url)), 30_000, 20);
  noticed.catch(() => undefined);
  for (let i = 0; i < 5; i += 1) await writer.sendUntilAcknowledged(`unheard ${i}`);
  await until('they arrive all the same', () => reader.seen.length === 5, 6_000);
  t.ok(swallowed() > 0, 'the events were swallowed');
  t.equal(
    await metric(behind, 'parlance_redis_connects_total'),
    connects,
    'before the node knows that it is deaf',
  );

  await noticed;
  t.comment(`noticed after ${Math.round(performance.now() - start)} ms`);
  t.ok(await isReady(other.url), 'the other one hears');
  await until('it healed by itself', () => isReady(behind.url));
  t.ok((await metric(behind, 'parlance_redis_connects_total')) > connects, 'by a new connection');
  t.equal(await metric(behind, 'parlance_deafness_total'), 1, 'found once');

  const rounds = await untilLive([behind], async (round) => {
    for (let i = 0; i < 5; i += 1) await writer.sendUntilAcknowledged(`heard${'!'.repeat(round)} ${i}`);
    await until('they arrive', () => reader.seen.length >= 5 + 5 * round);
  });
  t.strictSame(reader.faults, []);
  t.ok(reader.open && reader.resets === 0, 'the reader noticed nothing');
  const numbers = reader.seen.map(({ content }) => content.replace(/\D/g, ''));
  t.strictSame(numbers.join(''), '01234'.repeat(1 + rounds));
});

for (const role of ['appends', 'commands']) {
  t.test(`a node whose ${role} are silently lost`, PROXIED, async (t) => {
    const { proxy, behind, room, reader, writer } = await scene(t);
    await reader.sendUntilAcknowledged('before');
    deafen([proxy], role);
    // Every send is answered in time, and once the node has a new connection it is stored.
    await reader.sendUntilAcknowledged('by socket', 30_000);
    await until(
      'it goes by HTTP as well',
      () => post(behind, room, 'reader', 'by HTTP').then(() => true),
      40_000,
    );
    await until('rooms can be made', () => createRoom(behind).then(() => true), 40_000);
    await until('the other node has all of it', () =>
      writer.seen.some(({ content }) => content === 'by HTTP'),
    );
    t.strictSame(writer.seen.filter(({ content }) => content === 'by socket').length, 1, 'once');
    await until('it is ready', () => isReady(behind.url), 20_000);
    t.strictSame([...reader.faults, ...writer.faults], []);
    t.ok(reader.open, 'nobody was cut off');
  });
}

t.test('a node whose appends are lost while it clears up after a cut', PROXIED, async (t) => {
  const { proxy, reader, writer } = await scene(t);
  await reader.sendUntilAcknowledged('before');
  // The next connection that appends dies silently at its first word; those after it work.
  const before = new Set(proxy.open);
  let dead: Passage | undefined;
  proxy.rule = (passage, to) => {
    if (passage.role !== 'appends' || before.has(passage)) return 'pass';
    if (to === 'redis') dead ??= passage;
    return passage === dead && to === 'client' ? 'swallow' : 'pass';
  };
  for (const passage of before) if (passage.role === 'appends') passage.cut();
  await reader.sendUntilAcknowledged('after', 40_000);
  await until('the other node has it', () => writer.seen.some(({ content }) => content === 'after'));
  t.ok(dead, 'a connection died');
  t.strictSame([...reader.faults, ...writer.faults], []);
});
