/** Lists of the rooms API: `limit`, `before`, `after`; and idempotency keys on sends. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { isError, type RoomMessage, startPair } from '../helpers/rooms.js';

const pair = await startPair(t);

const KEY = 'idempotency-key';
/** What no limit may be, as it stands in a query. */
const BAD_LIMITS = [
  '0',
  '-1',
  '1001',
  'abc',
  '1.5',
  '',
  '1e2',
  '0x10',
  '+5',
  ' 5',
  '05',
  '10000000000000000000',
  'null',
];

t.test('messages: the newest 50 unless limit says otherwise, oldest first', async (t) => {
  const room = await pair.room();
  const sent: RoomMessage[] = [];
  for (let i = 1; i <= 60; i += 1) sent.push(await pair.say(room, 'writer', `m${i}`));
  t.equal(new Set(sent.map(({ id }) => id)).size, 60, 'no two ids alike');
  const id = (n: number): string => (sent[n - 1] as RoomMessage).id;

  t.same(await pair.messages(room), sent.slice(10));
  t.same(await pair.messages(room, '?limit=1'), sent.slice(59));
  t.same(await pair.messages(room, '?limit=55'), sent.slice(5));
  t.same(await pair.messages(room, '?limit=1000'), sent);

  t.same(await pair.messages(room, `?before=${id(60)}`), sent.slice(9, 59), 'the newest are kept');
  t.same(await pair.messages(room, `?before=${id(31)}&limit=10`), sent.slice(20, 30));
  t.same(await pair.messages(room, `?before=${id(1)}`), []);
  t.same(await pair.messages(room, `?after=${id(55)}`), sent.slice(55));
  t.same(await pair.messages(room, `?after=${id(5)}&limit=10`), sent.slice(5, 15), 'the next ones after');
  t.same(await pair.messages(room, `?after=${id(60)}`), []);
  t.same(await pair.messages(room, `?after=${id(10)}&before=${id(14)}`), sent.slice(10, 13));
  t.same(await pair.messages(room, `?after=${id(14)}&before=${id(10)}`), []);
  t.same(await pair.messages(room, `?after=${id(10)}&before=${id(20)}&limit=3`), sent.slice(10, 13));
  const ahead = foldMessageId(Number(room), 1_000);
  t.same(await pair.messages(room, `?before=${ahead}&limit=2`), sent.slice(58), 'an id that is to come');
  t.same(await pair.messages(room, `?after=${ahead}`), []);
  const uuid = formatUuid('message', Number(id(59)));
  t.same(await pair.messages(room, `?after=${uuid}`), sent.slice(59), 'an id as another dialect writes it');
  t.same(await pair.messages(room, '?limit=2&colour=red'), sent.slice(58), 'an unknown parameter');

  // All of it page by page, backwards and forwards.
  for (const [bound, step] of [
    ['before', -1],
    ['after', 1],
  ] as const) {
    const found: RoomMessage[] = [];
    // There is no id before the first message's: forwards begins after that one.
    if (step > 0) found.push(sent[0] as RoomMessage);
    let at = step > 0 ? id(1) : undefined;
    for (;;) {
      const page = await pair.messages(room, `?limit=7${at === undefined ? '' : `&${bound}=${at}`}`);
      if (page.length === 0) break;
      if (step < 0) found.unshift(...page);
      else found.push(...page);
      at = (step < 0 ? page[0] : page.at(-1))?.id;
    }
    t.same(found, sent, `paged by ${bound}`);
  }
});

t.test('a malformed limit, before or after is a bad request', async (t) => {
  const room = await pair.room();
  const other = await pair.room();
  const here = await pair.say(room, 'writer', 'here');
  const there = await pair.say(other, 'writer', 'there');
  const path = `/rooms/${room}/messages`;
  for (const limit of BAD_LIMITS) {
    const query = `?limit=${encodeURIComponent(limit)}`;
    for (const list of [path, '/rooms', '/users']) {
      isError(t, await pair.api('GET', `${list}${query}`), 400, `${list}${query}`);
    }
  }
  const none = String(foldMessageId(Number(room), 0));
  const uuid = formatUuid('user', Number(here.id));
  for (const bound of ['before', 'after']) {
    for (const id of [
      '',
      'abc',
      '-1',
      '0',
      '1.5',
      '01',
      '9007199254740993',
      `${here.id}x`,
      there.id,
      none,
      uuid,
    ]) {
      isError(t, await pair.api('GET', `${path}?${bound}=${id}`), 400, `${bound}=${id}`);
    }
    isError(t, await pair.api('GET', `${path}?${bound}=${here.id}&${bound}=${here.id}`), 400, `two ${bound}`);
  }
  isError(t, await pair.api('GET', `${path}?limit=1&limit=2`), 400, 'two limits');
  isError(t, await pair.api('GET', '/rooms?before=abc'), 400, 'rooms before what is no room id');
  isError(t, await pair.api('GET', '/rooms?before=1&before=2'), 400, 'rooms before two');
  isError(t, await pair.api('GET', '/users?before=1&before=2'), 400, 'users before two');
});

t.test('rooms and users are listed page by page, the newest first kept', async (t) => {
  const ids: string[] = [];
  for (let i = 0; i < 6; i += 1) ids.push(await pair.room(`r${i}`));
  type Listed = { id: string }[];
  const rooms = async (query: string) =>
    (await pair.api<Listed>('GET', `/rooms${query}`)).body.map(({ id }) => id);
  t.same(await rooms('?limit=3'), ids.slice(3));
  t.same(await rooms(`?limit=3&before=${ids[3]}`), ids.slice(0, 3));
  const people: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    people.push((await pair.api<{ id: string }>('POST', '/users', { body: { username: `u${i}` } })).body.id);
  }
  const users = async (query: string) =>
    (await pair.api<Listed>('GET', `/users${query}`)).body.map(({ id }) => id);
  const newest = await users('?limit=6');
  t.same([...newest].sort(), [...people].sort());
  t.same(await users(`?limit=2&before=${newest[4]}`), newest.slice(2, 4));
  t.same(await users('?before=nobody-at-all'), []);
});

t.test('the same key of the same user in the same room stores one message', async (t) => {
  const room = await pair.room();
  const other = await pair.room();
  const headers = { [KEY]: 'order-1' };
  const first = await pair.say(room, 'ann', 'first', { headers });
  t.same(await pair.say(room, 'ann', 'first', { headers }), first, 'on the other node');
  t.same(await pair.say(room, 'ann', 'another text', { headers }), first, 'answered with the first');
  const byBob = await pair.say(room, 'bob', 'of bob', { headers });
  const elsewhere = await pair.say(other, 'ann', 'elsewhere', { headers });
  const anew = await pair.say(room, 'ann', 'anew', { headers: { [KEY]: 'order-2' } });
  const without = [await pair.say(room, 'ann', 'same'), await pair.say(room, 'ann', 'same')];
  t.same(await pair.messages(room), [first, byBob, anew, ...without], 'without a key nothing is a repeat');
  t.same(await pair.messages(other), [elsewhere]);

  const odd = { headers: { [KEY]: 'a:b {x} %41 "|' } };
  const kept = await pair.say(room, 'x:y', 'kept', odd);
  t.same(await pair.say(room, 'x:y', 'kept', odd), kept);
  // One's user and key must never read like another's: `x:y` with `z`, `x` with `y:z`.
  const a = await pair.say(room, 'x:y', 'a', { headers: { [KEY]: 'z' } });
  const b = await pair.say(room, 'x', 'b', { headers: { [KEY]: 'y:z' } });
  t.not(a.id, b.id);
});

t.test('sends with one key at the same time on both nodes store one message', async (t) => {
  const room = await pair.room();
  const headers = { [KEY]: 'race' };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => pair.say(room, 'ann', `try ${i}`, { headers })),
  );
  t.equal(new Set(answers.map((one) => JSON.stringify(one))).size, 1, 'all are answered with the same');
  t.same(await pair.messages(room), [answers[0]]);
});

t.test('a key that is none is a bad request', async (t) => {
  const room = await pair.room();
  const body = { content: 'a', user_id: 'ann', type: 'text' };
  for (const key of ['', 'k'.repeat(256)]) {
    const answer = await pair.api('POST', `/rooms/${room}/messages`, { body, headers: { [KEY]: key } });
    isError(t, answer, 400, `a key of ${key.length}`);
  }
  t.same(await pair.messages(room), []);
  const longest = { headers: { [KEY]: 'k'.repeat(255) } };
  t.same(await pair.say(room, 'ann', 'a', longest), await pair.say(room, 'ann', 'a', longest));
});
