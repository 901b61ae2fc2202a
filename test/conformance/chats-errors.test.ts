/** The chats document: what is refused, in which shape, and who may know of what. */

import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { heard, isError, startChats } from '../helpers/chats.js';
import { request } from '../helpers/http.js';
import { connect } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';

const pair = await startChats(t, { ROOMS_AUTH: 'jwt' });

/** Every request of the document, for a chat and one of its messages. */
function requests(chat: unknown, message: unknown, user: unknown): [string, string, unknown?][] {
  return [
    ['GET', '/chats/'],
    ['GET', `/chats/${chat}/`],
    ['GET', `/chats/${chat}/messages/`],
    ['POST', `/chats/${chat}/messages/`, { content: 'hello' }],
    ['PATCH', `/messages/${message}/read/`],
    ['GET', `/users/${user}/status/`],
    ['POST', '/chats/start/', { user_id: user }],
  ];
}

t.test('without a valid token: 401, before anything else is looked at', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const { id } = await pair.say(chat, ann, 'hello');
  const bad: (string | undefined)[] = [
    undefined,
    'nonsense',
    await mintToken({ sub: ann.id }, 'another secret, as long as the right one'),
    await mintToken({ sub: ann.id }, undefined, { expiresIn: '-2m' }),
    await mintToken({ sub: '' }),
    `${btoa('{"alg":"none"}')}.${btoa(`{"sub":"${ann.id}"}`)}.`,
  ];
  for (const token of bad) {
    const given = token === undefined ? {} : { token };
    for (const [method, path, body] of requests(chat, id, bob.id)) {
      isError(t, await pair.api(method, path, { ...given, body }), 401);
    }
    isError(t, await pair.api('POST', '/chats/start/', { ...given, body: {} }), 401);
    isError(t, await pair.api('POST', `/chats/${chat}/messages/`, { ...given, body: [] }), 401);
    isError(t, await pair.api('GET', '/chats/999/', given), 401);
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    t.equal(await pair.upgrade(`/ws/chat/${chat}/`, { headers }), 401);
  }
  const inQuery = await pair.api('GET', `/chats/?token=${ann.token}`);
  isError(t, inQuery, 401);
  t.equal((await pair.messages(chat, ann)).length, 1);
});

t.test('who is not in a chat cannot tell it from one that does not exist', async (t) => {
  const [ann, bob, eve] = [await pair.person(), await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  await pair.chat(eve, ann);
  const { id } = await pair.say(chat, ann, 'secret');
  const watcher = await pair.join(t, chat, ann);
  const own = requests(chat, id, bob.id).slice(1, 5);
  const none = requests(99_999, 9_999_999_999, bob.id).slice(1, 5);
  for (let i = 0; i < own.length; i += 1) {
    const answers = [];
    for (const [method, path, body] of [own[i], none[i]] as [string, string, unknown?][]) {
      const answer = await pair.api(method, path, { ...eve, body });
      isError(t, answer, 404);
      answers.push(answer.text);
    }
    t.equal(answers[0], answers[1], 'in the same words');
  }
  isError(t, await pair.api('GET', `/chats/${chat}/messages/?limit=x`, eve), 404);
  t.same(
    (await pair.ok<{ id: number }[]>(200, 'GET', '/chats/', eve)).map((one) => one.id === chat),
    [false],
  );
  const headers = { authorization: `Bearer ${eve.token}` };
  t.equal(await pair.upgrade(`/ws/chat/${chat}/`, { headers }), 404);
  t.equal(await pair.upgrade(`/ws/chat/${formatUuid('room', chat)}/`, { headers }), 404);
  t.match(await pair.messages(chat, bob), [{ content: 'secret', is_read: false }], 'nothing came of it');
  await pair.say(chat, bob, 'the end');
  await heard(watcher, 'the end');
  t.equal(watcher.frames.length, 1, 'nor was anybody told of it');
});

t.test('ids that are none, and paths that are none: 404', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const ids = ['0', '01', '-1', '1.5', '1e3', 'abc', '%20', '%00', String(2 ** 53), '9'.repeat(400)];
  for (const id of [...ids, formatUuid('user', chat), formatUuid('message', chat)]) {
    for (const [method, path, body] of requests(id, id, 'nobody').slice(1, 4)) {
      isError(t, await pair.api(method, path, { ...ann, body }), 404);
    }
    const headers = { authorization: `Bearer ${ann.token}` };
    t.equal(await pair.upgrade(`/ws/chat/${id}/`, { headers }), 404, id);
  }
  // The id that offset 0 of the chat would have names nothing.
  for (const id of [...ids, chat * chat + chat, formatUuid('room', chat)]) {
    isError(t, await pair.api('PATCH', `/messages/${id}/read/`, ann), 404);
  }
  await pair.ok(200, 'GET', `/chats/${formatUuid('room', chat)}/`, ann);
  for (const id of ['nobody', '99999', '%20', formatUuid('room', 1)]) {
    isError(t, await pair.api('GET', `/users/${id}/status/`, ann), 404);
  }
  for (const path of ['/', '/nothing/', '/chats/1/nothing/', '/users/1/', '/chats/start/']) {
    isError(t, await pair.api('GET', path, ann), 404);
  }
  for (const method of ['PUT', 'DELETE', 'PATCH']) isError(t, await pair.api(method, '/chats/', ann), 404);
  const plain = await request('GET', `${pair.next().url}/ws/chat/${chat}/`, ann);
  isError(t, plain, 404);
});

t.test('public rooms are no chats', async (t) => {
  const ann = await pair.person();
  const { id } = (
    await request<{ id: string }>('POST', `${pair.next().url}/api/v1/rooms`, {
      ...ann,
      body: { name: 'all' },
    })
  ).body;
  const said = await request<{ id: string }>('POST', `${pair.next().url}/api/v1/rooms/${id}/messages`, {
    ...ann,
    body: { content: 'hello, all', user_id: ann.id, type: 'text' },
  });
  t.equal(said.status, 200);
  for (const [method, path, body] of requests(id, said.body.id, 'nobody').slice(1, 5)) {
    isError(t, await pair.api(method, path, { ...ann, body }), 404);
  }
  t.equal(await pair.upgrade(`/ws/chat/${id}/?token=${ann.token}`), 404);
  t.same(await pair.ok(200, 'GET', '/chats/', ann), []);
});

t.test('starting a chat: faults of user_id are told by field', async (t) => {
  const ann = await pair.person();
  const start = (body: unknown) => pair.api('POST', '/chats/start/', { ...ann, body });
  isError(t, await start({}), 400, 'user_id');
  for (const user_id of [null, true, '', [], {}, [3], 1.5, -1, 2 ** 53]) {
    isError(t, await start({ user_id }), 400, 'user_id');
  }
  for (const body of [undefined, [], ['user_id']]) isError(t, await start(body), 400);
  for (const user_id of [99_999, '99999', 'nobody', '03', '\ud800', 'x'.repeat(256), formatUuid('room', 3)]) {
    isError(t, await start({ user_id }), 404);
  }
  for (const user_id of [ann.id, Number(ann.id), formatUuid('user', Number(ann.id))]) {
    isError(t, await start({ user_id }), 400);
  }
  t.same(await pair.ok(200, 'GET', '/chats/', ann), [], 'nothing was made');
});

t.test('sending and listing: faults are told by field', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const other = await pair.chat(ann, await pair.person());
  const elsewhere = await pair.say(other, ann, 'elsewhere');
  const path = `/chats/${chat}/messages/`;
  const texts = [
    undefined,
    null,
    7,
    true,
    [],
    {},
    '',
    ' \t\n',
    '\ud800',
    'x'.repeat(16_385),
    'é'.repeat(8_193),
  ];
  for (const content of texts) {
    isError(t, await pair.api('POST', path, { ...ann, body: { content } }), 400, 'content');
  }
  for (const body of [undefined, [], ['content']])
    isError(t, await pair.api('POST', path, { ...ann, body }), 400);
  const headers = { 'content-type': 'application/json' };
  for (const body of ['', '{"content":', '"text"', 'null']) {
    isError(t, await pair.api('POST', path, { ...ann, body, headers }), 400);
  }
  isError(t, await pair.api('POST', path, { ...ann, body: 'content=x' }), 400);
  isError(t, await pair.api('POST', path, { ...ann, body: { content: 'x'.repeat(200_000) } }), 400);
  for (const key of ['', 'k'.repeat(256)]) {
    const keyed = { ...ann, body: { content: 'x' }, headers: { 'idempotency-key': key } };
    isError(t, await pair.api('POST', path, keyed), 400, 'Idempotency-Key');
  }
  for (const limit of ['0', '1001', '-1', '1.5', 'x', '', '01']) {
    isError(t, await pair.api('GET', `${path}?limit=${limit}`, ann), 400, 'limit');
  }
  for (const id of ['x', '', '-1', String(elsewhere.id), formatUuid('room', chat)]) {
    for (const name of ['before', 'after']) {
      isError(t, await pair.api('GET', `${path}?${name}=${id}`, ann), 400, name);
    }
    if (id === '') continue;
    const socket = connect(pair.socketUrl(chat, `?since=${id}&token=${ann.token}`), { t });
    t.equal(await socket.upgradeStatus, 400, `since=${id}`);
  }
  t.same(await pair.messages(chat, ann), [], 'nothing was stored');
});

t.test('too many requests: 429 in the same shape, and a word on when to come back', async (t) => {
  const few = await startChats(t, { RATE_LIMIT_MAX: '5' });
  const token = await mintToken({ sub: '1' });
  for (let i = 0; i < 5; i += 1) await few.ok(200, 'GET', '/chats/', { token });
  const answer = await few.api('GET', '/chats/', { token });
  isError(t, answer, 429);
  t.match(answer.headers.get('retry-after'), /^\d+$/);
  t.equal(await few.upgrade(`/ws/chat/1/?token=${token}`), 429);
});
