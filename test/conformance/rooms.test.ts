/** The rooms document over HTTP, endpoint by endpoint, in `trusted` mode. */

import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { request } from '../helpers/http.js';
import { DECIMAL, isError, MESSAGE_KEYS, type RoomMessage, SECONDS, startPair } from '../helpers/rooms.js';

const pair = await startPair(t);

type Body = Record<string, unknown>;

function keysOf(body: unknown): string[] {
  return Object.keys(body as object).sort();
}

t.test('rooms are created, listed and got as documented', async (t) => {
  const created = await pair.api('POST', '/rooms', { body: { name: 'General Chat' } });
  t.equal(created.status, 200, 'the document lists no 201');
  t.same(keysOf(created.body), ['created_at', 'id', 'name']);
  t.equal(created.body.name, 'General Chat');
  t.match(created.body.id, DECIMAL);
  t.match(created.body.created_at, SECONDS);
  const second = await pair.api('POST', '/rooms', { body: { name: 'General Chat', colour: 'red' } });
  t.not(second.body.id, created.body.id, 'a name is no key, and unknown fields are ignored');

  for (const node of pair.nodes) {
    const list = await request<Body[]>('GET', `${node.url}/api/v1/rooms`);
    t.equal(list.status, 200);
    t.same(
      list.body.filter(({ id }) => id === created.body.id || id === second.body.id),
      [created.body, second.body],
      'oldest first',
    );
    const one = await request('GET', `${node.url}/api/v1/rooms/${created.body.id}`);
    t.equal(one.status, 200);
    t.same(one.body, created.body);
  }
  const asUuid = await pair.api('GET', `/rooms/${formatUuid('room', Number(created.body.id))}`);
  t.same(asUuid.body, created.body, 'a room is found by the id that another dialect writes');
});

t.test('users are created, listed and got as documented', async (t) => {
  const created = await pair.api('POST', '/users', { body: { username: 'john_doe' } });
  t.equal(created.status, 200);
  t.same(keysOf(created.body), ['created_at', 'id', 'username'], 'no token in trusted mode');
  t.equal(created.body.username, 'john_doe');
  t.match(created.body.id, DECIMAL);
  t.match(created.body.created_at, SECONDS);
  const namesake = await pair.api('POST', '/users', { body: { username: 'john_doe' } });
  t.not(namesake.body.id, created.body.id, 'a username is not unique');
  for (const node of pair.nodes) {
    const list = await request<Body[]>('GET', `${node.url}/api/v1/users`);
    t.equal(list.status, 200);
    const mine = list.body.filter(({ id }) => id === created.body.id || id === namesake.body.id);
    t.same(mine, [created.body, namesake.body]);
    const one = await request('GET', `${node.url}/api/v1/users/${created.body.id}`);
    t.equal(one.status, 200);
    t.same(one.body, created.body);
  }
  const asUuid = await pair.api('GET', `/users/${formatUuid('user', Number(created.body.id))}`);
  t.same(asUuid.body, created.body);
});

t.test(
  'messages are sent and listed as documented, and an unknown user is created with that id',
  async (t) => {
    const room = await pair.room();
    const body = { content: 'Hello, World!', user_id: 'user123', type: 'text' };
    const sent = await pair.api<RoomMessage & Body>('POST', `/rooms/${room}/messages`, { body });
    t.equal(sent.status, 200);
    t.same(keysOf(sent.body), MESSAGE_KEYS);
    const { id, created_at, ...rest } = sent.body;
    t.same(rest, { room_id: room, user_id: 'user123', content: 'Hello, World!', type: 'text' });
    t.match(id, DECIMAL);
    t.match(created_at, SECONDS);
    t.same((await pair.api('GET', '/users/user123')).body, {
      id: 'user123',
      username: 'user123',
      created_at: (await pair.api('GET', '/users/user123')).body.created_at,
    });
    for (const node of pair.nodes) {
      const listed = await request('GET', `${node.url}/api/v1/rooms/${room}/messages?limit=50`);
      t.equal(listed.status, 200);
      t.same(listed.body, [sent.body]);
    }
    const odd = '  "quotes" \\ / \u0000 \u2028 é 日本 😀 </script>\n ';
    const back = await pair.say(room, 'x:y|z %/é😀', odd);
    t.equal(back.content, odd, 'a text comes back as it was given');
    t.equal(back.user_id, 'x:y|z %/é😀', 'and so does an id');
    t.same((await pair.messages(room)).at(-1), back);
    t.not(Number(back.id), Number(id));
    const numeric = await pair.api('POST', `/rooms/${room}/messages`, {
      body: { content: 'a', user_id: 77 },
    });
    t.equal(numeric.body.user_id, '77', 'a number is an id too; the type may be left out');
  },
);

t.test('every path works with a slash at its end', async (t) => {
  const room = (await pair.api('POST', '/rooms/', { body: { name: 'slash' } })).body.id as string;
  const user = (await pair.api('POST', '/users/', { body: { username: 'slash' } })).body.id as string;
  const body = { content: 'slash', user_id: user, type: 'text' };
  t.equal((await pair.api('POST', `/rooms/${room}/messages/`, { body })).status, 200);
  for (const path of ['/rooms', '/users', `/rooms/${room}`, `/users/${user}`, `/rooms/${room}/messages`]) {
    const [without, withSlash] = [await pair.api('GET', path), await pair.api('GET', `${path}/`)];
    t.equal(withSlash.status, 200, path);
    t.same(withSlash.body, without.body, path);
  }
  const query = await pair.api<Body[]>('GET', `/rooms/${room}/messages/?limit=1`);
  t.equal(query.body.length, 1);
});

t.test('names are non-blank strings of at most 255 characters', async (t) => {
  const bad = [undefined, null, 7, true, [], {}, '', ' \t\n', 'x'.repeat(256), '\ud800'];
  for (const value of bad) {
    const what = JSON.stringify(value)?.slice(0, 20);
    isError(t, await pair.api('POST', '/rooms', { body: { name: value } }), 400, `room ${what}`);
    isError(t, await pair.api('POST', '/users', { body: { username: value } }), 400, `user ${what}`);
  }
  const long = 'x'.repeat(255);
  t.equal((await pair.api('POST', '/rooms', { body: { name: long } })).body.name, long);
  t.equal((await pair.api('POST', '/users', { body: { username: long } })).body.username, long);
});

t.test('a message that is none is refused and not stored', async (t) => {
  const room = await pair.room();
  const good = { content: 'a', user_id: 'someone', type: 'text' };
  const bodies: [string, unknown][] = [
    ['no content', { user_id: 'someone', type: 'text' }],
    ...[null, 7, true, [], {}, '', ' \n', '\ud83d', 'é'.repeat(8193)].map((content): [string, unknown] => [
      `content ${JSON.stringify(content).slice(0, 20)}`,
      { ...good, content },
    ]),
    ['no user', { content: 'a' }],
    ...[null, true, [], {}, '', 1.5, -1, 2 ** 53, '\udc00', 'u'.repeat(256)].map(
      (user): [string, unknown] => [`user ${JSON.stringify(user).slice(0, 20)}`, { ...good, user_id: user }],
    ),
    ...['image', 'TEXT', '', null, 1, {}].map((type): [string, unknown] => [
      `type ${JSON.stringify(type)}`,
      { ...good, type },
    ]),
    ['an array', [good]],
  ];
  for (const [what, body] of bodies) {
    isError(t, await pair.api('POST', `/rooms/${room}/messages`, { body }), 400, what);
  }
  const exact = 'é'.repeat(8192);
  t.equal((await pair.say(room, 'someone', exact)).content, exact, 'the longest text');
  t.equal((await pair.messages(room)).length, 1, 'nothing else was stored');
});

t.test('a body that is no JSON object is a bad request', async (t) => {
  const room = await pair.room();
  for (const path of ['/rooms', '/users', `/rooms/${room}/messages`]) {
    for (const body of ['', '{', 'null', '1', '"text"', '[]', 'true', '{"a":1}{', '\ufeff{}']) {
      const headers = { 'content-type': 'application/json' };
      isError(t, await pair.api('POST', path, { body, headers }), 400, `${path} ${body}`);
    }
    isError(t, await pair.api('POST', path, {}), 400, `${path} without a body`);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'nonsense',
    ]) {
      const form = { body: 'name=a&username=b', headers: { 'content-type': type } };
      isError(t, await pair.api('POST', path, form), 400, `${path} ${type}`);
    }
    const huge = {
      body: JSON.stringify({ name: 'x'.repeat(200_000) }),
      headers: { 'content-type': 'application/json' },
    };
    isError(t, await pair.api('POST', path, huge), 400, `${path} with a body too large`);
  }
  t.same(await pair.messages(room), []);
});

t.test('what does not exist is 404, and so are other methods and unknown paths', async (t) => {
  const ids = [
    '0',
    '01',
    '999999',
    '-1',
    '1.5',
    'abc',
    '1e3',
    '%20',
    '9007199254740993',
    '7061726c-616e-8001-8000-000000000001',
  ];
  for (const id of ids) {
    isError(t, await pair.api('GET', `/rooms/${id}`), 404, `room ${id}`);
    isError(t, await pair.api('GET', `/rooms/${id}/messages`), 404, `messages of ${id}`);
    const body = { content: 'a', user_id: 'nobody-yet', type: 'text' };
    isError(t, await pair.api('POST', `/rooms/${id}/messages`, { body }), 404, `a message to ${id}`);
  }
  isError(t, await pair.api('GET', '/users/nobody-yet'), 404, 'nobody was created for an unknown room');
  isError(t, await pair.api('GET', `/users/${'u'.repeat(300)}`), 404, 'a user id longer than any');
  const room = await pair.room();
  const paths = [
    ['GET', '/nothing'],
    ['GET', '/ws'],
    ['GET', `/ws/${room}`],
    ['GET', `/ws/${room}/someone`],
    ['DELETE', `/rooms/${room}`],
    ['PUT', '/rooms'],
    ['PATCH', `/users/someone`],
    ['GET', `/rooms/${room}/members`],
    ['GET', `/rooms/${room}/messages/1`],
  ] as const;
  for (const [method, path] of paths) {
    isError(t, await pair.api(method, path), 404, `${method} ${path}`);
  }
  for (const path of ['/rooms', '/nothing']) {
    isError(t, await request('GET', pair.next().url + path), 404, path);
  }
});

t.test('what is no path at all is refused in the documented shape', async (t) => {
  for (const path of ['/rooms/%', '/rooms/%zz', '/rooms/%E0%A4', '/users/%ff', '/rooms/1/messages%']) {
    isError(t, await pair.api('GET', path), 404, path);
  }
  isError(t, await pair.api('GET', `/rooms/${'9'.repeat(9_000)}`), 404, 'a parameter longer than any id');
  isError(
    t,
    await pair.api('GET', `/rooms/${'9'.repeat(20_000)}`),
    431,
    'a path longer than the head may be',
  );
});

t.test('browsers of any origin may ask', async (t) => {
  const headers = { origin: 'https://app.example', 'access-control-request-method': 'POST' };
  const preflight = await pair.api('OPTIONS', '/rooms', { headers });
  t.equal(preflight.status, 204);
  t.equal(preflight.headers.get('access-control-allow-origin'), '*');
  const plain = await pair.api('GET', '/rooms', { headers: { origin: 'https://app.example' } });
  t.equal(plain.headers.get('access-control-allow-origin'), '*');
  t.equal((await pair.api('HEAD', '/rooms')).status, 200);
});
