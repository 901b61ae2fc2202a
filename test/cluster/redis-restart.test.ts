import t from 'tap';
import { request } from '../helpers/http.js';
import { keepTalking } from '../helpers/member.js';
import { isReady } from '../helpers/node.js';
import { say, scene, settle } from '../helpers/scene.js';
import { startAnyRedis } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const restarts = [
  { how: 'SIGTERM', aof: 'everysec', awayMs: 500 },
  { how: 'SIGKILL', aof: 'always', awayMs: 300 },
  { how: 'SIGKILL', aof: 'always', awayMs: 7_000 },
] as const;

for (const { how, aof, awayMs } of restarts) {
  t.test(`Redis ended by ${how} under load, back after ${awayMs} ms`, async (t) => {
    const redis = await startAnyRedis(t, { aof });
    const world = await scene(t, redis);
    const { members } = world;
    const talk = keepTalking(members);
    await until('it flows', () => members.every(({ acknowledged }) => acknowledged.size >= 20));
    await redis.stop(how);
    await sleep(awayMs);
    const before = members.map(({ acknowledged }) => acknowledged.size);
    await redis.restart();
    await until(
      'it flows again',
      () => members.every(({ acknowledged }, i) => acknowledged.size >= (before[i] as number) + 20),
      30_000,
    );
    const sent = await talk.stop();
    await until(
      'no send is open',
      () =>
        members.every((one) =>
          sent
            .filter((content) => content.startsWith(`${one.user} in ${one.room} `))
            .every((content) => one.acknowledged.has(content) || one.refused.has(content)),
        ),
      20_000,
    );
    await settle(t, world, sent);
    if (awayMs >= 7_000) {
      const words = [...new Set(members.flatMap((one) => [...one.refused.values()]))].sort();
      t.ok(words.length > 0, 'sends meanwhile were refused');
      t.ok(
        words.every((one) => /unavailable|may or may not/.test(one)),
        `in words: ${words.join(' | ')}`,
      );
    }
  });
}

t.test('Redis away for longer than a node can serve without', async (t) => {
  const redis = await startAnyRedis(t, { aof: 'always' });
  const world = await scene(t, redis);
  const { nodes, members, rooms } = world;
  const contents = members.map(({ user, room }) => `${user} in ${room} says hello`);
  say(members, contents);
  await until('all are acknowledged', () => members.every(({ acknowledged }) => acknowledged.size === 1));
  await redis.kill9();

  const during = members.map(({ user, room }) => `${user} in ${room} asks into the void`);
  say(members, during);
  await until('each is refused', () => members.every(({ refused }) => refused.size === 1));
  // Both at once, and before anything else that takes its time: soon it is long.
  const ready = await Promise.all(nodes.map(({ url }) => isReady(url)));
  t.strictSame(ready, [true, true], 'a short absence is no reason to be taken out');
  for (const node of nodes) {
    const body = { content: 'hello', user_id: 'user-0', type: 'text' };
    const answer = await request('POST', `${node.url}/api/v1/rooms/${rooms[0]}/messages`, { body });
    t.equal(answer.status, 503);
    t.ok(answer.headers.get('retry-after'), 'with a time to come back');
    t.match(answer.body, { detail: String }, 'in the shape of the dialect');
    t.equal((await request('GET', `${node.url}/healthz`)).status, 200, 'it is alive all the same');
  }
  await until(
    'neither is ready',
    async () => !(await isReady(nodes[0]?.url ?? '')) && !(await isReady(nodes[1]?.url ?? '')),
    20_000,
    200,
  );
  t.match((await request('GET', `${nodes[0]?.url}/readyz`)).body, { reasons: ['Redis does not answer'] });

  await redis.restart();
  await until(
    'both are ready by themselves',
    async () => (await isReady(nodes[0]?.url ?? '')) && (await isReady(nodes[1]?.url ?? '')),
    20_000,
    200,
  );
  const after = members.map(({ user, room }) => `${user} in ${room} is back`);
  say(members, after);
  await until(
    'all are acknowledged again',
    () => members.every(({ acknowledged }) => acknowledged.size === 2),
    20_000,
  );
  await settle(t, world, [...contents, ...during, ...after]);
  t.strictSame(
    members.flatMap(({ announced }) => announced.filter((one) => one.includes('left'))),
    [],
    'nobody left meanwhile',
  );
});
