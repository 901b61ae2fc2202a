/** A fail-over to replicas that lag: what was acknowledged is gone, and its places are given out again. */

import type { Redis } from 'ioredis';
import t from 'tap';
import { connect, disconnect } from '../../src/redis/connection.js';
import { type ChatMessage, createRoom, history, metric, offsetOf, startNodes } from '../helpers/chat.js';
import { Member } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import type { RedisServer } from '../helpers/redis.js';
import { startSentinels } from '../helpers/redis-sentinel.js';
import { open } from '../helpers/socket.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const BEFORE = 5;
const LOST = 4;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, i) => `${word} ${i}`);

/** From now on the replicas get nothing more, whatever the primary acknowledges. */
async function cutOff(primary: RedisServer, replicas: readonly RedisServer[]): Promise<void> {
  await until('the replicas are in step', async () => {
    const text = await primary.ask('INFO replication');
    const offset = /master_repl_offset:(\d+)/.exec(text)?.[1];
    const behind = [...text.matchAll(/state=online,offset=(\d+)/g)].filter((match) => match[1] !== offset);
    return behind.length === 0;
  });
  // They stand still first, or they would connect again at once.
  for (const replica of replicas) replica.pause();
  await primary.ask('CLIENT KILL TYPE replica');
}

async function say(members: readonly Member[], contents: readonly string[]): Promise<void> {
  for (const [i, content] of contents.entries())
    await (members[i % members.length] as Member).sendUntilAcknowledged(content, 30_000);
}

const contentsOf = (messages: readonly ChatMessage[]) => messages.map(({ content }) => content);

t.test('fail-over to replicas that lag', OWN_SERVERS, async (t) => {
  // A primary that is only slow is not to be replaced.
  const group = await startSentinels(t, { replicas: 2, aof: 'always', downMs: 4_000 });
  const { env, target } = group;
  const [fast, [durable]] = await Promise.all([
    startNodes(t, 2, env),
    startNodes(t, 1, { ...env, DURABILITY: 'durable', WAIT_TIMEOUT: '1500' }) as Promise<[TestNode]>,
  ]);
  const [room, safeRoom] = [await createRoom(fast[0] as TestNode), await createRoom(durable)];
  const join = (node: TestNode, user: string, where = room) =>
    Member.join(t, { nodes: [node], room: where, user, returns: false });
  const members = await Promise.all(fast.map((node, i) => join(node, `user-${i}`)));
  const careful = await join(durable, 'careful', safeRoom);
  await say(members, numbered('before', BEFORE));
  await say([careful], numbered('safe', BEFORE));

  const primary = await group.primary();
  const replicas = group.servers.filter((server) => server !== primary);
  await cutOff(primary, replicas);
  await say(members, numbered('lost', LOST));
  await until('all were shown', () => members.every(({ seen }) => seen.length === BEFORE + LOST));
  // Whoever holds a place among the lost ones, by a cursor and by an id.
  const socket = members[0]?.socket;
  socket?.send({ type: 'cursor' });
  const cursor = String((await socket?.nextOf('cursor'))?.cursor);
  const lastId = String(members[0]?.seen.at(-1)?.id);
  const doubtful = numbered('doubtful', LOST);
  for (const content of doubtful) careful.send(content);
  await until('each is answered', () => careful.refused.size + careful.acknowledged.size >= BEFORE + LOST);

  t.test('durable acknowledges nothing that no replica has', async (t) => {
    t.strictSame([...careful.refused.keys()].sort(), doubtful);
    t.match(
      [...careful.refused.values()],
      doubtful.map(() => /may or may not/),
    );
  });

  await primary.kill9();
  for (const replica of replicas) replica.resume();
  await until('another one is primary', async () => (await group.primary()) !== primary, 60_000, 100);
  const rolledBack = (node: TestNode) => metric(node, 'parlance_feed_rolled_back_messages_total');

  t.test(
    'feeds notice without a new message, go on from the common history, and count what is gone',
    async (t) => {
      for (const node of fast) {
        await until('it noticed', async () => (await rolledBack(node)) > 0, 20_000, 50);
        t.equal(await rolledBack(node), LOST, 'as many as were acknowledged and are gone');
        t.equal(await metric(node, 'parlance_feed_rollbacks_total'), 1, 'one rollback');
        const lines = () => node.logs().filter((line) => line.includes('Redis lost acknowledged messages'));
        await until('it says so', () => lines().length > 0);
        t.match(
          lines().map((line) => JSON.parse(line)),
          [{ from: BEFORE + LOST, to: BEFORE }],
        );
      }
      t.strictSame(contentsOf(await history(fast[0] as TestNode, room)), numbered('before', BEFORE));
    },
  );

  t.test('a client whose place is beyond the log starts over', async (t) => {
    for (const since of [cursor, lastId]) {
      const back = await open(`${fast[1]?.wsUrl}/api/v1/ws/${room}/user-9?since=${since}`, { t });
      await back.nextOf('reset');
      const page = await back.nextOf('history');
      t.strictSame(contentsOf(page.messages as ChatMessage[]), numbered('before', BEFORE));
    }
  });

  t.test('their places are given out again, and everybody has every new message once', async (t) => {
    const after = numbered('after', LOST + 2);
    await say(members, after);
    const stored = await history(fast[0] as TestNode, room);
    t.strictSame(contentsOf(stored), [...numbered('before', BEFORE), ...after]);
    t.equal(offsetOf(stored[BEFORE] as ChatMessage), BEFORE + 1);
    const all = [...numbered('before', BEFORE), ...numbered('lost', LOST), ...after];
    await until('all have all', () => members.every(({ seen }) => seen.length >= all.length));
    const offsets = [BEFORE + LOST, all.length - LOST].map((n) => Array.from({ length: n }, (_, i) => i + 1));
    for (const { seen, open: isOpen, resets } of members) {
      t.strictSame(contentsOf(seen), all);
      t.strictSame(seen.map(offsetOf), [...(offsets[0] ?? []), ...(offsets[1] ?? []).slice(BEFORE)]);
      t.ok(isOpen && resets === 0, 'on the same socket');
    }
    for (const node of fast) t.equal(await rolledBack(node), LOST, 'nothing more is counted');
  });

  t.test('a cursor tells that its place has another message now', async (t) => {
    const back = await open(`${fast[1]?.wsUrl}/api/v1/ws/${room}/user-9?since=${cursor}`, { t });
    await back.nextOf('reset');
    const page = await back.nextOf('history');
    t.equal(contentsOf(page.messages as ChatMessage[]).at(-1), `after ${LOST + 1}`);
  });

  t.test('durable lost nothing that it acknowledged, and takes what was in doubt once', async (t) => {
    await say([careful], doubtful);
    const stored = contentsOf(await history(durable, safeRoom));
    t.strictSame(stored.slice(0, BEFORE), numbered('safe', BEFORE));
    t.strictSame(stored.slice(BEFORE).sort(), doubtful, 'each is stored, none twice');
    const lost = [...careful.acknowledged.keys()].filter((content) => !stored.includes(content));
    t.strictSame(lost, []);
  });

  t.test('a connection given up while it still looks for the primary is made all the same', async (t) => {
    const client = connect(target, 'subscriptions', 'a-client', quiet) as Redis;
    t.teardown(() => disconnect(client));
    await until('it is ready', () => client.status === 'ready');
    let ends = 0;
    client.on('end', () => {
      ends += 1;
    });
    client.once('connecting', () => client.disconnect(true));
    client.disconnect(true);
    await until('the library has ended it', () => ends === 1);
    await until('it is ready again', () => client.status === 'ready');
    await disconnect(client);
    await until('it has ended', () => ends === 2);
    await sleep(200);
    t.equal(client.status, 'end', 'and stays so where it was told to');
  });
});
