/** Limits of the rooms API, shared by the nodes; and what it says while Redis is away. */

import type { Socket } from 'node:net';
import t from 'tap';
import { keys } from '../../src/redis/keys.js';
import { request } from '../helpers/http.js';
import { framesOf, heard, isError, type Pair, startPair } from '../helpers/rooms.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

// Longer than the test takes: a window that ends in between would forgive.
const WINDOW = '600000';

/** Statuses of `n` requests to the nodes in turn. */
async function statuses(pair: Pair, n: number, token?: string): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < n; i += 1) {
    found.push((await pair.api('GET', '/rooms', token === undefined ? {} : { token })).status);
  }
  return found;
}

const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);

/** Sends frames in one piece: while they come one after the other, the time for one more may pass. */
function sendAtOnce({ ws }: TestSocket, frames: readonly object[]): void {
  const { _socket: tcp } = ws as unknown as { _socket: Socket };
  tcp.cork();
  for (const frame of frames) ws.send(JSON.stringify(frame));
  tcp.uncork();
}

t.test('RATE_LIMIT_MAX requests and upgrades of one address, on all nodes together', async (t) => {
  const pair = await startPair(t, { RATE_LIMIT_MAX: '12', RATE_LIMIT_WINDOW: WINDOW });
  for (const node of pair.nodes) {
    for (const path of ['/healthz', '/readyz', '/metrics', '/healthz', '/metrics/']) {
      for (let i = 0; i < 4; i += 1) t.equal((await request('GET', node.url + path)).status, 200, path);
    }
  }
  const room = await pair.room(); // 1
  const open1 = await open(pair.socketUrl(room, 'ann'), { t }); // 2
  t.equal(await pair.refused('/ws/999999/ann'), 404); // 3
  t.equal((await pair.api('GET', '/nothing')).status, 404); // 4
  t.equal((await request('GET', `${pair.next().url}/elsewhere`)).status, 404); // 5
  t.equal((await pair.api('POST', '/rooms', { body: [] })).status, 400); // 6
  t.same(await statuses(pair, 6), times(6, 200)); // 12

  for (const node of pair.nodes) {
    const answer = await request('GET', `${node.url}/api/v1/rooms`);
    isError(t, answer, 429, 'one more');
    const wait = answer.headers.get('retry-after') ?? '';
    t.match(wait, /^[1-9]\d*$/, 'whole seconds');
    t.ok(Number(wait) <= 600, wait);
    t.equal(await connect(`${node.wsUrl}/api/v1/ws/${room}/ann`).upgradeStatus, 429, 'an upgrade too');
    isError(t, await request('GET', `${node.url}/nothing`), 429, 'outside of a dialect too');
    isError(
      t,
      await request('POST', `${node.url}/api/v1/rooms`, { body: [] }),
      429,
      'before the body is read',
    );
  }
  t.equal((await request('GET', `${pair.next().url}/healthz`)).status, 200);
  const token = await mintToken({ sub: 'ann' });
  t.equal((await pair.api('GET', '/rooms', { token: `${token}x` })).status, 429, 'a bad token opens nothing');
  open1.send({ type: 'text', content: 'frames are not requests' });
  await heard(open1, 'frames are not requests');
});

t.test('with a valid token each user has a bucket, and the address ten times as much', async (t) => {
  const pair = await startPair(t, { ROOMS_AUTH: 'jwt', RATE_LIMIT_MAX: '5', RATE_LIMIT_WINDOW: WINDOW });
  const tokens = await Promise.all(Array.from({ length: 11 }, (_, i) => mintToken({ sub: `user${i}` })));
  const [ann = '', bob = '', ...others] = tokens;
  t.same(await statuses(pair, 6, ann), [...times(5, 200), 429]);
  t.same(await statuses(pair, 6), [...times(5, 401), 429], 'without a token the address has its own');
  t.same(await statuses(pair, 6, bob), [...times(5, 200), 429], 'another user of the same address');
  const keysThere = (await pair.redis.askAll('KEYS *limit*'))
    .join()
    .match(/attempts:\S+/g)
    ?.sort();
  const buckets = ['address:127.0.0.1', 'shared:127.0.0.1', 'user:user0', 'user:user1'];
  t.same(
    keysThere,
    buckets.map((bucket) => keys.attempts(`limit:${bucket}`)),
    'counted under names that say what they are',
  );
  t.equal(await pair.refused(`/ws/1/user1?token=${bob}`), 429, 'an upgrade counts for the user');
  // 10 of 50 are used by the two; refusals of a user's own bucket are not counted for the address.
  const found = [];
  for (const token of others) found.push(...(await statuses(pair, 5, token)));
  t.same(found, [...times(40, 200), ...times(5, 429)], 'the address may do ten times that');
});

t.test('a window ends', async (t) => {
  const pair = await startPair(t, { RATE_LIMIT_MAX: '1', RATE_LIMIT_WINDOW: '1500' });
  t.equal((await pair.api('GET', '/rooms')).status, 200);
  await until('a refusal', async () => (await pair.api('GET', '/rooms')).status === 429);
  await until('another window', async () => (await pair.api('GET', '/rooms')).status === 200, 20_000, 250);
});

t.test('SOCKET_RATE: an error frame for each frame over it, then 4429', async (t) => {
  const pair = await startPair(t, { SOCKET_RATE: '1' });
  const room = await pair.room();
  const other = await pair.join(room, 'bob', '', { t });
  const ann = await pair.join(room, 'ann', '', { t });
  // A burst of twice the rate passes.
  sendAtOnce(
    ann,
    [0, 1, 2, 3].map((i) => ({ type: 'text', content: `m${i}`, ref: i })),
  );
  const errors = [await ann.nextOf('error'), await ann.nextOf('error')];
  t.same(
    errors.map(({ detail, ref }) => [detail, ref]),
    [
      ['too many messages', 2],
      ['too many messages', 3],
    ],
  );
  await heard(ann, 'm1');
  for (let i = 0; i < 20; i += 1) ann.send('not even JSON');
  t.equal((await ann.closed).code, 4429);
  other.send({ type: 'text', content: 'each socket has its own' });
  await heard(other, 'each socket has its own');
  t.same(
    (await pair.messages(room)).map(({ content }) => content),
    ['m0', 'm1', 'each socket has its own'],
    'what was refused is not stored',
  );
  const back = await pair.join(room, 'ann', '', { t });
  back.send({ type: 'text', content: 'back' });
  await heard(back, 'back');

  // All in one piece: what passed before the close is acknowledged before it.
  const eve = await pair.join(room, 'eve', '', { t });
  sendAtOnce(
    eve,
    Array.from({ length: 20 }, (_, i) => ({ type: 'text', content: `e${i}`, ref: i })),
  );
  t.equal((await eve.closed).code, 4429);
  const acknowledged = eve.frames.filter(({ type, ref }) => type === 'text' && ref !== undefined);
  t.same(
    acknowledged.map(({ content }) => content),
    ['e0', 'e1'],
  );
});

t.test(
  'while Redis is away: 503 in the documented shape, an error frame for a send, then on as before',
  async (t) => {
    const pair = await startPair(t, { RATE_LIMIT_MAX: '1000' }, { aof: 'always' });
    const room = await pair.room();
    const ann = await pair.join(room, 'ann', '', { t });
    const bob = await pair.join(room, 'bob', '', { t });
    ann.send({ type: 'text', content: 'before' });
    await heard(bob, 'before');
    await pair.redis.stop();

    const calls: [string, string, unknown?][] = [
      ['POST', '/rooms', { name: 'a' }],
      ['GET', '/rooms'],
      ['GET', '/rooms/999'],
      ['POST', '/users', { username: 'a' }],
      ['GET', '/users'],
      ['POST', `/rooms/${room}/messages`, { content: 'away', user_id: 'ann', type: 'text' }],
      ['GET', `/rooms/${room}/messages`],
    ];
    await Promise.all(
      calls.map(async ([method, path, body]) => {
        const answer = await pair.api(method, path, { body });
        isError(t, answer, 503, `${method} ${path}`);
        t.match(answer.headers.get('retry-after'), /^[1-9]\d*$/, `${method} ${path}`);
      }),
    );
    t.equal(await pair.refused(`/ws/${room}/stranger`), 503);
    ann.send({ type: 'text', content: 'away', ref: 'a' });
    const error = await ann.next((frame) => frame.type === 'error', 15_000);
    t.same(Object.keys(error).sort(), ['detail', 'ref', 'type']);
    t.equal(error.ref, 'a');
    ann.send('nonsense');
    await ann.next((frame) => frame.type === 'error' && frame.ref === undefined);
    for (const node of pair.nodes)
      t.equal((await request('GET', `${node.url}/healthz`)).status, 200, 'alive');

    await pair.redis.restart();
    await until(
      'a send works again',
      async () => {
        const body = { content: 'after', user_id: 'ann', type: 'text' };
        const options = { body, headers: { 'idempotency-key': 'after' } };
        return (await pair.api('POST', `/rooms/${room}/messages`, options)).status === 200;
      },
      30_000,
    );
    await heard(ann, 'after');
    await heard(bob, 'after');
    t.same(
      framesOf(bob, 'text').map(({ content }) => content),
      ['before', 'after'],
      'nobody reconnected',
    );
  },
);
