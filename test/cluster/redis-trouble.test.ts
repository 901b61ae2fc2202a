/** A Redis that answers, but not as one would like: each send that fails hears so, and nothing else happens. */

import t from 'tap';
import { request } from '../helpers/http.js';
import { keepTalking, type Member } from '../helpers/member.js';
import { isReady } from '../helpers/node.js';
import { startProxy } from '../helpers/proxy.js';
import { type RedisServer, startRedis } from '../helpers/redis.js';
import { scene, settle } from '../helpers/scene.js';
import { onlyOn } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

interface Trouble {
  what: string;
  begin: () => unknown;
  end: () => unknown;
  /** Whether sends fail meanwhile. */
  refuses: boolean;
}

const ONE = onlyOn(
  'one',
  'a proxy is in front of the one server that the nodes know, and its disk is filled',
);
const NOT_STORED = /temporarily unavailable/;
const UNCERTAIN = /temporarily unavailable|may or may not/;

const roleOf = async (server: RedisServer) => /role:(\w+)/.exec(await server.ask('INFO replication'))?.[1];

/** Hands the writes over to another server, which has everything. */
async function handOver(from: RedisServer, to: RedisServer): Promise<void> {
  await until('the other one is in step', async () =>
    (await from.ask('INFO replication')).includes(`port=${to.port},state=online`),
  );
  await from.ask(`FAILOVER TO 127.0.0.1 ${to.port}`);
  await until('the other one has taken over', async () => (await roleOf(to)) === 'master');
  await until('this one follows', async () => (await roleOf(from)) === 'slave');
}

/** Waits until each member got `count` more answers of the kind. */
async function eachGets(
  what: string,
  members: readonly Member[],
  count: number,
  answers: (member: Member) => ReadonlyMap<string, string>,
): Promise<void> {
  const before = members.map((member) => answers(member).size);
  const all = () => members.every((member, i) => answers(member).size >= (before[i] as number) + count);
  await until(what, all, 30_000);
}

t.test('Redis in trouble while people talk', ONE, async (t) => {
  const redis = await startRedis(t, { aof: 'everysec' });
  const proxy = await startProxy(t, redis.port);
  const world = await scene(t, { env: { REDIS_URL: proxy.url } });
  const { nodes, members, rooms } = world;
  const other = await startRedis(t, { settings: { replicaof: `127.0.0.1 ${redis.port}` } });
  const delay = (ms: number) => {
    proxy.delayMs = ms;
  };
  const troubles: Trouble[] = [
    {
      what: 'no memory left',
      begin: () => redis.ask('CONFIG SET maxmemory 1'),
      end: () => redis.ask('CONFIG SET maxmemory 0'),
      refuses: true,
    },
    {
      what: 'no room on the disk for the append-only file',
      begin: () => redis.fillDisk(),
      end: () => redis.freeDisk(),
      refuses: true,
    },
    {
      what: 'another one is primary now, and this one read-only',
      begin: () => handOver(redis, other),
      end: () => handOver(other, redis),
      refuses: true,
    },
    { what: 'stopped for 2 s', begin: () => redis.pause(), end: () => redis.resume(), refuses: false },
    { what: '200 ms away, each way', begin: () => delay(200), end: () => delay(0), refuses: false },
  ];
  const talk = keepTalking(members, 50);
  await eachGets('it flows', members, 5, ({ acknowledged }) => acknowledged);

  for (const { what, begin, end, refuses } of troubles) {
    await t.test(what, async (t) => {
      const refusedBefore = new Set(members.flatMap(({ refused }) => [...refused.keys()]));
      await begin();
      if (refuses) {
        await eachGets('sends are refused', members, 5, ({ refused }) => refused);
        const post = await request('POST', `${nodes[0]?.url}/api/v1/rooms/${rooms[0]}/messages`, {
          body: { content: `by HTTP: ${what}`, user_id: 'user-0', type: 'text' },
        });
        t.equal(post.status, 503);
        t.ok(post.headers.get('retry-after'), 'with a time to come back');
        t.match(post.body, { detail: NOT_STORED }, 'in the shape of the dialect');
      } else await sleep(2_000);
      const lives = nodes.map(async ({ url }) => (await request('GET', `${url}/healthz`)).status);
      // It ends at once, and not after these answers: of what takes too long sends would be refused.
      const [, ...statuses] = await Promise.all([end(), ...lives]);
      t.strictSame(statuses, [200, 200], 'they live');
      await eachGets('it flows again by itself', members, 5, ({ acknowledged }) => acknowledged);
      for (const node of nodes) await until('it is ready', () => isReady(node.url), 20_000, 100);
      const words = members.flatMap(({ refused }) =>
        [...refused].filter(([content]) => !refusedBefore.has(content)).map(([, why]) => why),
      );
      t.strictSame(
        [...new Set(words)].filter((why) => !refuses || !UNCERTAIN.test(why)),
        [],
        refuses ? 'in words that say so' : 'nobody was refused',
      );
    });
  }

  const sent = await talk.stop();
  const answered = () =>
    new Set(members.flatMap((one) => [...one.acknowledged.keys(), ...one.refused.keys()]));
  await until('no send is open', () => {
    const known = answered();
    return sent.every((content) => known.has(content));
  });
  await settle(t, world, sent);
});
