/** DURABILITY=durable on a server that can say what is on its disk. */

import t from 'tap';
import { createRoom, history, post } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { Member } from '../helpers/member.js';
import { startNode } from '../helpers/node.js';
import { type RedisServer, serverWithWaitAof, startRedis } from '../helpers/redis.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { startUnfit } from '../helpers/unfit.js';
import { type Owner, until } from '../helpers/wait.js';

const binary = serverWithWaitAof();
const NEWER = OWN_SERVERS.skip
  ? OWN_SERVERS
  : { skip: binary ? false : 'it takes a Redis from 7.2, or a valkey-server on the PATH' };

async function durableNode(t: Owner, redis: RedisServer) {
  const env = { DURABILITY: 'durable', ROOMS_AUTH: 'trusted', SOCKET_RATE: '0', REDIS_URL: redis.url };
  return startNode(t, env);
}

const start = (t: Owner, aof: 'no' | 'everysec') => startRedis(t, { aof, ...(binary ? { binary } : {}) });

async function callsOf(redis: RedisServer, command: string): Promise<number> {
  const line = new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(await redis.ask('INFO commandstats'));
  return Number(line?.[1] ?? 0);
}

t.test('synced every second, it survives kill -9 with every acknowledged message', NEWER, async (t) => {
  const redis = await start(t, 'everysec');
  const node = await durableNode(t, redis);
  const room = await createRoom(node);
  const ada = await Member.join(t, { nodes: [node], room, user: 'ada', returns: false });
  const before = await callsOf(redis, 'waitaof');
  for (let i = 0; ada.acknowledged.size < 100; i += 1) {
    for (let j = 0; j < 20; j += 1) ada.send(`${i}.${j}`);
    await until('an answer', () => ada.acknowledged.size + ada.refused.size >= 20 * (i + 1));
  }
  t.ok((await callsOf(redis, 'waitaof')) > before, 'it was waited for');
  for (let j = 0; j < 20; j += 1) ada.send(`last ${j}`);
  await redis.kill9();
  await redis.restart();
  await until('the node has it back', () => history(node, room));
  // What is acknowledged while the history is read may be missing in it.
  const acknowledged = [...ada.acknowledged.keys()];
  const stored = await history(node, room);
  const contents = new Set(stored.map(({ content }) => content));
  t.equal(contents.size, stored.length, 'nothing twice');
  t.strictSame(
    acknowledged.filter((content) => !contents.has(content)),
    [],
    'nothing acknowledged is missing',
  );
});

t.test('what the disk has not got is never acknowledged', NEWER, async (t) => {
  const redis = await start(t, 'everysec');
  const node = await durableNode(t, redis);
  const room = await createRoom(node);
  const say = (content: string) => {
    const body = { content, user_id: 'ada', type: 'text' };
    return request('POST', `${node.url}/api/v1/rooms/${room}/messages`, { body });
  };
  t.equal((await say('on disk')).status, 200);
  for (const [setting, meanwhile, then] of [
    ['appendfsync', 'no', 'everysec'],
    ['appendonly', 'no', 'yes'],
  ] as const) {
    await redis.ask(`CONFIG SET ${setting} ${meanwhile}`);
    for (let i = 0; i < 3; i += 1) {
      const { status, text } = await say(`${setting} ${i}`);
      t.equal(status, 503, `${setting} ${meanwhile}`);
      t.match(text, /may or may not/, 'stored it is, after all');
    }
    await redis.ask(`CONFIG SET ${setting} ${then}`);
    await until('it is acknowledged again', () => post(node, room, 'ada', `${setting} again`), 40_000);
  }
  const contents = (await history(node, room)).map(({ content }) => content);
  t.equal(contents.filter((content) => / \d$/.test(content)).length, 6, 'and was in the log all along');
});

t.test('without an append-only file it is refused at start, in words', NEWER, async (t) => {
  const redis = await start(t, 'no');
  const { code, out } = await startUnfit({ DURABILITY: 'durable', REDIS_URL: redis.url });
  t.equal(code, 1);
  t.match(out, /append-only file/);
});
