import t from 'tap';
import { metric, repeatsIn } from '../helpers/chat.js';
import { keepTalking } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import { startRedis } from '../helpers/redis.js';
import { scene, settle } from '../helpers/scene.js';
import { onlyOn } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

t.test('Redis that hangs, its connections open', onlyOn('one', 'replicas would take over'), async (t) => {
  const redis = await startRedis(t, { aof: 'everysec' });
  const world = await scene(t, redis);
  const { nodes, members } = world;
  const talk = keepTalking(members, 100);
  await until('it flows', () => members.every(({ acknowledged }) => acknowledged.size >= 3));
  redis.pause();
  // Longer than a lease and than every deadline.
  await until('sends are refused', () => members.every(({ refused }) => refused.size >= 30), 30_000);
  await sleep(5_000);
  // One node is later to notice than the other, as it may well be.
  nodes[1]?.pause();
  redis.resume();
  await until(
    'the first is back',
    async () => (await metric(nodes[0] as TestNode, 'parlance_leases_lost_total')) > 0,
    20_000,
  );
  await sleep(1_000);
  nodes[1]?.resume();
  const before = members.map(({ acknowledged }) => acknowledged.size);
  await until(
    'it flows again',
    () => members.every(({ acknowledged }, i) => acknowledged.size >= (before[i] as number) + 10),
    30_000,
  );
  const sent = await talk.stop();
  const open = () => {
    const answered = new Set(members.flatMap((one) => [...one.acknowledged.keys(), ...one.refused.keys()]));
    return sent.filter((content) => !answered.has(content));
  };
  await until('no send is open', () => open().length === 0, 20_000);
  await settle(t, world, sent);

  // Every lease ran out. Both nodes come back under new names, and only then somebody clears the old ones away.
  for (const node of nodes)
    await until('it came back', async () => (await metric(node, 'parlance_leases_lost_total')) > 0);
  await until(
    'the old names are gone',
    async () => (await redis.ask('ZCARD nodes')) === ':2\r\n',
    40_000,
    100,
  );
  t.strictSame(
    members.flatMap(({ announced }) => [
      ...repeatsIn(announced),
      ...announced.filter((one) => one.includes('left')),
    ]),
    [],
    'nobody left for it, or joined again',
  );
});
