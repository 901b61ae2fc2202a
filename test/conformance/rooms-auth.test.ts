/** The rooms API with `ROOMS_AUTH=jwt`: who may do what, with which token, and for how long. */

import t from 'tap';
import { request } from '../helpers/http.js';
import { framesOf, heard, isError, SECONDS, startPair } from '../helpers/rooms.js';
import { connect, open } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const pair = await startPair(t, { ROOMS_AUTH: 'jwt' });
const ann = await mintToken({ sub: 'ann', name: 'Ann Other', preferred_username: 'ann_o' });
const bob = await mintToken({ sub: 'bob', email: 'bob@example.org' });
const room = await pair.room('with tokens', { token: ann });

/** Tokens that are none, each with why. */
async function badTokens(): Promise<[string, string][]> {
  const [head, payload, signature] = ann.split('.') as [string, string, string];
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
  const changed = Buffer.from('{"sub":"bob"}').toString('base64url');
  return [
    ['nonsense', 'nonsense'],
    ['a token of another secret', await mintToken({ sub: 'ann' }, 'another secret that is long enough too')],
    ['an expired token', await mintToken({ sub: 'ann' }, undefined, { expiresIn: '-6s' })],
    [
      'a token that is not valid yet',
      await mintToken({ sub: 'ann', nbf: Math.floor(Date.now() / 1000) + 60 }),
    ],
    ['a token without a subject', await mintToken({} as { sub: string })],
    ['a token of nobody', await mintToken({ sub: '' })],
    ['alg none', `${none}.${payload}.`],
    ['alg none with a signature', `${none}.${payload}.${signature}`],
    ['another payload', `${head}.${changed}.${signature}`],
    ['no signature', `${head}.${payload}.`],
    ['two parts', `${head}.${payload}`],
    [
      'a subject in the form of our own UUIDs',
      await mintToken({ sub: '7061726c-616e-8001-8000-000000000001' }),
    ],
  ];
}

t.test('every route wants a token, and a good one', async (t) => {
  const body = { content: 'a', user_id: 'ann', type: 'text' };
  const routes: [string, string, unknown?][] = [
    ['POST', '/rooms', { name: 'a' }],
    ['GET', '/rooms'],
    ['GET', `/rooms/${room}`],
    ['GET', '/users'],
    ['GET', '/users/ann'],
    ['POST', `/rooms/${room}/messages`, body],
    ['POST', `/rooms/${room}/messages`, { nothing: 'right' }],
    ['GET', `/rooms/${room}/messages`],
    ['GET', '/rooms/999999'],
  ];
  for (const [method, path, body] of routes) {
    const none = await pair.api(method, path, { body });
    isError(t, none, 401, `${method} ${path} without a token`);
    t.equal(none.headers.get('www-authenticate'), 'Bearer');
    const inQuery = await pair.api(method, `${path}?token=${ann}`, { body });
    isError(t, inQuery, 401, `${method} ${path}: a token in the query is for sockets`);
  }
  for (const [what, token] of await badTokens()) {
    isError(t, await pair.api('GET', '/rooms', { token }), 401, what);
    t.equal(await pair.refused(`/ws/${room}/ann?token=${token}`), 401, `${what}, at the upgrade`);
  }
  for (const authorization of ['Basic YW5uOmFubg==', ann, `Token ${ann}`, 'Bearer', `Bearer ${ann} ${ann}`]) {
    isError(
      t,
      await pair.api('GET', '/rooms', { headers: { authorization } }),
      401,
      authorization.slice(0, 8),
    );
  }
  t.equal((await pair.api('GET', '/rooms', { headers: { authorization: `bearer  ${ann}` } })).status, 200);
  t.equal((await pair.api('GET', '/rooms', { token: ann })).status, 200);
  t.same(await pair.messages(room, '', { token: ann }), []);
});

t.test('one speaks for oneself only', async (t) => {
  const post = (user: unknown, token: string) =>
    pair.api('POST', `/rooms/${room}/messages`, {
      token,
      body: { content: 'hi', user_id: user, type: 'text' },
    });
  const own = await post('ann', ann);
  t.equal(own.status, 200);
  t.equal(own.body.user_id, 'ann');
  for (const other of ['bob', 'ANN', 'nobody', 'ann ', '']) isError(t, await post(other, ann), 401, other);
  isError(t, await post(undefined, ann), 400, 'no user');
  t.equal(await pair.refused(`/ws/${room}/bob?token=${ann}`), 401);
  t.equal(await pair.refused(`/ws/${room}/ann`), 401, 'no token');
  t.equal(await pair.refused('/ws/999999/ann'), 401, 'without a token nobody learns which rooms there are');
  t.equal(await pair.refused(`/ws/999999/ann?token=${ann}`), 404);
  t.equal((await pair.api('GET', '/users/nobody', { token: ann })).status, 404, 'nobody was made of a claim');

  // A numeric subject is named in any dialect's form; a token's own subject is taken as it is.
  const seven = await mintToken({ sub: '7' });
  for (const form of ['7', 7, '7061726c-616e-8001-8000-000000000007']) {
    const answer = await post(form, seven);
    t.equal(answer.status, 200, String(form));
    t.equal(answer.body.user_id, '7');
  }
});

t.test('a user is made at the first token, and named by its newest claims', async (t) => {
  const first = await mintToken({ sub: 'claims', name: 'Old Name', iat: Math.floor(Date.now() / 1000) - 60 });
  const get = async () => (await pair.api('GET', '/users/claims', { token: ann })).body.username;
  t.equal((await pair.api('GET', '/users/claims', { token: first })).status, 200);
  t.equal(await get(), 'Old Name');
  await pair.api('GET', '/rooms', { token: await mintToken({ sub: 'claims', preferred_username: 'newer' }) });
  // Less than a node would believe what it knows.
  await until(
    'both nodes show the newer name',
    async () => (await get()) === 'newer' && (await get()) === 'newer',
    3_000,
  );
  await pair.api('GET', '/rooms', { token: first });
  t.equal(await get(), 'newer', 'an older token changes nothing back');
  await pair.api('GET', '/rooms', { token: bob });
  t.equal(
    (await pair.api('GET', '/users/bob', { token: ann })).body.username,
    'bob',
    "the e-mail's local part",
  );
  const listed = (await pair.api<{ id: string }[]>('GET', '/users', { token: ann })).body.map(({ id }) => id);
  for (const id of ['ann', 'bob', 'claims']) t.equal(listed.filter((one) => one === id).length, 1, id);
});

t.test('a guest: POST /users gives an id, and a token that is good for it', async (t) => {
  const made = await pair.api('POST', '/users', { body: { username: '  guest one ' } });
  t.equal(made.status, 200);
  t.same(Object.keys(made.body).sort(), ['access_token', 'created_at', 'id', 'username']);
  t.match(made.body.created_at, SECONDS);
  const { access_token: token, ...user } = made.body as { access_token: string; id: string };
  const sent = await pair.say(room, user.id, 'a guest speaks', { token });
  t.equal(sent.user_id, user.id);
  const socket = await open(pair.socketUrl(room, user.id, `?token=${token}`), { t });
  await socket.nextOf('history');
  t.same((await pair.api('GET', `/users/${user.id}`, { token })).body, user, 'and its use changes nothing');
  t.equal((await pair.api('POST', '/users', { body: { username: '' } })).status, 400);
  isError(
    t,
    await pair.api('POST', `/rooms/${room}/messages`, { token, body: { content: 'a', user_id: 'ann' } }),
    401,
    'not for others',
  );
});

t.test('a socket takes its token from the header, the query, or the subprotocol', async (t) => {
  const bare = pair.socketUrl(room, 'ann');
  const ways = [
    open(bare, { t, headers: { authorization: `Bearer ${ann}` } }),
    open(`${bare}?token=${ann}`, { t }),
    open(bare, { t, protocols: ['bearer', ann] }),
    open(bare, { t, protocols: ['chat', 'bearer', ann] }),
  ];
  const sockets = await Promise.all(ways);
  t.same(
    sockets.map(({ ws }) => ws.protocol),
    ['', '', 'bearer', 'bearer'],
    'the server selects bearer, never the token',
  );
  for (const socket of sockets) {
    await socket.nextOf('history');
    socket.send({ type: 'text', content: `one of ${sockets.indexOf(socket)}` });
    await heard(socket, `one of ${sockets.indexOf(socket)}`);
  }
  const bad = { protocols: ['bearer', `${ann}x`] };
  t.equal(await pair.refused(`/ws/${room}/ann`, bad), 401);
  t.equal(await pair.refused(`/ws/${room}/ann`, { protocols: ['bearer'] }), 401);
  t.equal(await pair.refused(`/ws/${room}/ann`, { headers: { authorization: `Bearer ${bob}` } }), 401);
});

t.test('when its token expires an open socket is closed with 4401', async (t) => {
  const lasting = await open(pair.socketUrl(room, 'ann', `?token=${ann}`), { t });
  // Long enough for one message, on a busy machine too.
  const token = await mintToken({ sub: 'ann' }, undefined, { expiresIn: Math.floor(Date.now() / 1000) + 6 });
  const short = connect(pair.socketUrl(room, 'ann', `?token=${token}`), { t });
  await short.opened;
  short.send({ type: 'text', content: 'still good' });
  await heard(short, 'still good');
  t.same((await short.closed).code, 4401);
  lasting.send({ type: 'text', content: 'goes on' });
  await heard(lasting, 'goes on');
  t.same(framesOf(lasting, 'error'), []);
  await until(
    'the token is over, tolerance and all',
    () => pair.refused(`/ws/${room}/ann?token=${token}`).then((status) => status === 401),
    20_000,
  );
});

t.test('LOCAL_ACCOUNTS=false: no guests, in either mode', async (t) => {
  for (const mode of ['jwt', 'trusted']) {
    const closed = await startPair(t, { ROOMS_AUTH: mode, LOCAL_ACCOUNTS: 'false' });
    isError(t, await closed.api('POST', '/users', { body: { username: 'guest' } }), 404, mode);
    const token = await mintToken({ sub: 'ann' });
    t.equal((await closed.api('GET', '/users', { token })).status, 200, 'listing stays');
    t.equal((await closed.api('POST', '/rooms', { token, body: { name: 'a' } })).status, 200);
  }
});

t.test('trusted mode: no token anywhere, and a token does not stand in the way', async (t) => {
  const trusted = await startPair(t);
  const place = await trusted.room();
  const socket = await open(trusted.socketUrl(place, 'cy', '?token=nonsense'), { t });
  await socket.nextOf('history');
  t.equal((await trusted.say(place, 'bob', 'hi', { token: ann })).user_id, 'bob', 'the id given is believed');
  t.equal((await trusted.api('GET', '/rooms', { token: 'nonsense' })).status, 200);
  for (const user of ['bob', 'cy']) t.equal((await trusted.api('GET', `/users/${user}`)).body.id, user);
  const expiring = await mintToken({ sub: 'dee' }, undefined, {
    expiresIn: Math.floor(Date.now() / 1000) + 1,
  });
  const dee = await open(trusted.socketUrl(place, 'dee', `?token=${expiring}`), { t });
  t.equal((await dee.closed).code, 4401, 'a socket that came with a token ends with it');
  const plain = await request('GET', `${trusted.next().url}/api/v1/rooms/${place}`);
  t.equal(plain.status, 200);
});
