/** The netrox document over HTTP: histories, threads, and every answer's envelope. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import type { RequestOptions } from '../helpers/http.js';
import { request } from '../helpers/http.js';
import {
  ENVELOPE_KEYS,
  type Envelope,
  HTTP_TIME,
  heard,
  isFailure,
  MESSAGE_KEYS,
  type Shown,
  startPair,
} from '../helpers/netrox.js';
import { startNode } from '../helpers/node.js';
import { mintToken } from '../helpers/token.js';
import { startAnyRedis } from '../helpers/topology.js';

const pair = await startPair(t);

const PATHS = ['/chat/messages/somebody/', '/chat/get-user-threads/'];

t.test("the document's example: a history, field by field", async (t) => {
  const ids = ['96bf0d3f-720d-4620-8dee-0f59f997cb51', '87c8b8e2-3efc-4a4a-b667-1f9c0d7e8437'] as const;
  const bee = await pair.person(ids[0], { email: 'codebee345@outlook.com' });
  const doe = await pair.person(ids[1], { email: 'onuhudoudo@gmail.com' });
  const socket = await pair.socket(t, bee);
  const other = await pair.socket(t, doe);
  socket.send({ action: 'chat_message', message_body: 'hello', receiver_id: doe.id });
  socket.send({ action: 'chat_message', message_body: 'hello', receiver_id: doe.id });
  const frame = await heard(other, 'hello');
  await heard(other, 'hello'); // the first is stored before the second one is looked at

  const answer = await pair.api<{ messages: Shown[] }>(`/chat/messages/${doe.id}/`, { token: bee.token });
  t.equal(answer.status, 200);
  t.match(answer.headers.get('content-type'), /^application\/json/);
  t.same(Object.keys(answer.body), ENVELOPE_KEYS);
  const { entity, ...rest } = answer.body;
  t.same(rest, { status: 'success', message: 'Messages retreived successfully', success: true });
  t.same(Object.keys(entity), ['messages']);
  t.equal(entity.messages.length, 2);
  const [first] = entity.messages as [Shown];
  t.same(Object.keys(first), MESSAGE_KEYS);
  const { id, created, updated, thread, ...fields } = first;
  t.same(fields, {
    sender: { id: ids[0], email: 'codebee345@outlook.com', profile: null },
    receiver: { id: ids[1], email: 'onuhudoudo@gmail.com', profile: null },
    attached_file_size: '0kb',
    message: 'hello',
    seen: false,
    deleted: false,
    attached_file: null,
    attached_file_name: null,
  });
  t.match(created, HTTP_TIME);
  t.equal(updated, created);
  t.equal(String(created).replace('Z', '+00:00'), frame.timestamp, 'the time of the frame');
  t.equal(id, frame.created_msg_id, 'the id of the frame');
  t.ok(Number.isSafeInteger(thread));
  t.same(await pair.messages(doe, bee.id), entity.messages, 'the same to the other one');

  t.test('and its threads', async (t) => {
    for (const token of [bee.token, doe.token]) {
      const threads = await pair.api<Record<string, unknown>[]>('/chat/get-user-threads/', { token });
      t.equal(threads.status, 200);
      t.same(Object.keys(threads.body), ENVELOPE_KEYS);
      const { entity: list, ...envelope } = threads.body;
      t.same(envelope, { status: 'success', message: null, success: true });
      t.equal(list.length, 1);
      t.same(Object.keys(list[0] ?? {}), ['id', 'user_one', 'user_two', 'craeted', 'created']);
      t.match(list[0]?.craeted, HTTP_TIME);
      t.same(list[0], {
        id: thread,
        user_one: { id: ids[1], email: 'onuhudoudo@gmail.com', profile: null },
        user_two: { id: ids[0], email: 'codebee345@outlook.com', profile: null },
        craeted: list[0]?.craeted,
        created: list[0]?.craeted,
      });
    }
  });
});

t.test('profiles: what the token says, null when it says nothing', async (t) => {
  const ada = await pair.person('ada', { given_name: 'Ada', family_name: 'L', picture: 'http://p/a.png' });
  const bare = await pair.person('bare', { email: undefined });
  await pair.person('whole', { name: 'Whole Name' });
  await pair.core.say({ from: 'whole', to: 'ada', text: 'c', via: 'netrox' });
  t.same((await pair.messages(ada, 'whole'))[0]?.sender.profile, {
    first_name: 'Whole',
    last_name: 'Name',
    photo: null,
  });
  const half = await pair.person('half', { given_name: 'Half' });
  await pair.core.say({ from: 'ada', to: 'bare', text: 'a', via: 'netrox' });
  await pair.core.say({ from: 'half', to: 'ada', text: 'b', via: 'netrox' });
  const [message] = await pair.messages(bare, 'ada');
  t.same(message?.sender, {
    id: 'ada',
    email: 'ada@example.com',
    profile: { first_name: 'Ada', last_name: 'L', photo: 'http://p/a.png' },
  });
  t.same(message?.receiver, { id: 'bare', email: null, profile: null });
  const [other] = await pair.messages(half, ada.id);
  t.same(other?.sender.profile, {
    first_name: 'Half',
    last_name: '',
    photo: null,
  });
});

t.test('integer-like ids are written as UUIDs, and read in any form', async (t) => {
  const seven = await pair.person('7');
  const eight = await pair.person('8');
  const uuids = [formatUuid('user', 7), formatUuid('user', 8)];
  await pair.core.say({ from: '7', to: '8', text: 'numbers', via: 'netrox' });
  const asNumber = (await pair.messages(seven, '8')) as [Shown];
  t.equal(asNumber.length, 1);
  t.equal(asNumber[0].sender.id, uuids[0]);
  t.equal(asNumber[0].receiver.id, uuids[1]);
  t.same(await pair.messages(seven, uuids[1] as string), asNumber);
  t.same(await pair.messages(seven, (uuids[1] as string).toUpperCase()), asNumber);
  const self = await pair.api(`/chat/messages/${uuids[1]}/`, { token: eight.token });
  isFailure(t, self, 404, 'oneself as a UUID', 'Invalid receipient');
});

t.test('limit, before and after; all of them without', async (t) => {
  const [ann, bob] = await pair.couple('long');
  const said = [];
  for (let i = 0; i < 1_205; i += 1) {
    said.push(pair.core.say({ from: ann.id, to: bob.id, text: `m${i}`, via: 'netrox' }));
    if (i === 0) await said[0];
  }
  const ids = (await Promise.all(said))
    .map(({ room, offset }) => foldMessageId(room, offset))
    .sort((a, b) => a - b);
  const all = await pair.messages(bob, ann.id);
  t.same(
    all.map(({ id }) => id),
    ids,
    'oldest first',
  );
  const part = (query: string) => pair.messages(ann, bob.id, query);
  t.same(await part('?limit=3'), all.slice(-3), 'the newest are kept');
  t.same(await part('?limit=1000'), all.slice(-1_000));
  t.same(await part(`?before=${ids[5]}`), all.slice(0, 5));
  t.same(await part(`?before=${ids[5]}&limit=2`), all.slice(3, 5));
  t.same(await part(`?after=${ids[1_200]}`), all.slice(1_201));
  t.same(await part(`?after=${ids[1]}&limit=2`), all.slice(2, 4));
  t.same(await part(`?after=${ids[1]}&before=${ids[5]}`), all.slice(2, 5));
  const stranger = await pair.core.say({ from: ann.id, to: 'long-cid', text: 'else', via: 'netrox' });
  const elsewhere = foldMessageId(stranger.room, stranger.offset);
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=a',
    'limit=',
    'limit=1&limit=2',
    'before=x',
    `after=${elsewhere}`,
  ]) {
    const answer = await pair.api(`/chat/messages/${bob.id}/?${query}`, { token: ann.token });
    isFailure(t, answer, 400, query);
  }
});

t.test('no thread yet: no messages, no threads, and none made by looking', async (t) => {
  const [ann, bob] = await pair.couple('unmet');
  for (const query of ['', '?limit=5']) {
    const answer = await pair.api(`/chat/messages/${bob.id}/${query}`, { token: ann.token });
    t.equal(answer.status, 200);
    t.same(answer.body, {
      status: 'success',
      entity: { messages: [] },
      message: 'Messages retreived successfully',
      success: true,
    });
  }
  isFailure(t, await pair.api(`/chat/messages/${bob.id}/?limit=x`, { token: ann.token }), 400, 'a bad limit');
  const threads = await pair.api('/chat/get-user-threads/', { token: ann.token });
  t.same(threads.body.entity, []);
});

t.test('threads: direct rooms only, newest first; nobody sees those of others', async (t) => {
  const [ann, bob] = await pair.couple('threads');
  const cid = await pair.person('threads-cid');
  const one = await pair.core.say({ from: ann.id, to: bob.id, text: 'one', via: 'rooms' });
  const two = await pair.core.say({ from: cid.id, to: ann.id, text: 'two', via: 'netrox' });
  await request('POST', `${pair.next().url}/api/v1/rooms`, { token: ann.token, body: { name: 'open' } });
  const listed = async (token: string): Promise<unknown[]> => {
    const answer = await pair.api<{ id: number }[]>('/chat/get-user-threads', { token });
    return answer.body.entity.map(({ id }) => id);
  };
  t.same(await listed(ann.token), [two.room, one.room]);
  t.same(await listed(bob.token), [one.room]);
  t.same(await listed(cid.token), [two.room]);
  t.same(await pair.messages(cid, bob.id), [], 'the thread of two others is not found by one of them');
});

t.test('404: nobody of that id, and oneself, in the same words', async (t) => {
  const ann = await pair.person('lonely');
  for (const uid of [
    'nobody',
    'lonely',
    '4711',
    formatUuid('user', 4711),
    formatUuid('room', 1),
    '%20',
    '%00',
    'ü',
  ]) {
    for (const end of ['', '/', '/?limit=1']) {
      const answer = await pair.api(`/chat/messages/${uid}${end}`, { token: ann.token });
      isFailure(t, answer, 404, `${uid}${end}`, 'Invalid receipient');
    }
  }
});

t.test('401: without a valid token, before anything else is looked at', async (t) => {
  const known = await mintToken({ sub: 'known' });
  const bad: [string, RequestOptions][] = [
    ['none', {}],
    ['no JWT', { token: 'nonsense' }],
    ['expired', { token: await mintToken({ sub: 'known' }, undefined, { expiresIn: '-1m' }) }],
    [
      'another secret',
      { token: await mintToken({ sub: 'known' }, 'another secret, and long enough for HS256') },
    ],
    ['not yet', { token: await mintToken({ sub: 'known', nbf: Date.now() / 1_000 + 600 }) }],
    ['not a bearer', { headers: { authorization: `Basic ${known}` } }],
  ];
  for (const path of [
    ...PATHS,
    '/chat/messages/somebody/?limit=x',
    `/chat/messages/somebody/?token=${known}`,
  ]) {
    for (const [what, options] of bad) {
      const answer = await pair.api(path, options);
      isFailure(t, answer, 401, `${path}: ${what}`);
      t.equal(answer.headers.get('www-authenticate'), 'Bearer');
    }
  }
});

t.test('seen: whether the receiver has read it, and a GET reads nothing', async (t) => {
  const [ann, bob] = await pair.couple('seen');
  const sent = [];
  for (let i = 0; i < 3; i += 1) {
    sent.push(await pair.core.say({ from: ann.id, to: bob.id, text: `s${i}`, via: 'chats' }));
  }
  const seen = async (who = ann, other = bob): Promise<boolean[]> =>
    (await pair.messages(who, other.id)).map((message) => message.seen);
  await pair.messages(bob, ann.id);
  t.same(await seen(), [false, false, false]);
  const room = await pair.core.rooms.openDirect(ann.id, bob.id);
  const middle = sent[1]?.offset as number;
  await pair.core.receipts.mark(room.room, bob.id, middle, 'delivered');
  t.same(await seen(), [false, false, false], 'delivered is not seen');
  await pair.core.receipts.mark(room.room, bob.id, middle, 'read');
  t.same(await seen(), [false, true, false]);
  t.same(await seen(bob, ann), [false, true, false], 'the same to both');
});

t.test('429: in the envelope, with Retry-After', async (t) => {
  const node = await startNode(t, { ...pair.redis.env, RATE_LIMIT_MAX: '2' });
  const token = await mintToken({ sub: 'eager' });
  for (const path of PATHS) {
    let answer = await request<Envelope>('GET', node.url + path, { token });
    for (let i = 0; i < 2 && answer.status !== 429; i += 1) {
      answer = await request<Envelope>('GET', node.url + path, { token });
    }
    isFailure(t, answer, 429, path);
    t.ok(Number(answer.headers.get('retry-after')) > 0);
  }
});

t.test('503: in the envelope, with Retry-After, while Redis is away', async (t) => {
  const redis = await startAnyRedis(t);
  const node = await startNode(t, redis.env);
  const token = await mintToken({ sub: 'ann' });
  t.equal((await request('GET', `${node.url}${PATHS[1]}`, { token })).status, 200);
  await redis.kill9();
  for (const path of PATHS) {
    const answer = await request<Envelope>('GET', node.url + path, { token });
    isFailure(t, answer, 503, path);
    t.ok(Number(answer.headers.get('retry-after')) > 0);
  }
});
