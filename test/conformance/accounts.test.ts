/** Registering and logging in, through two nodes. */

import { decodeJwt } from 'jose';
import t from 'tap';
import { type Body, isError, keysOf, mailOf, startService, UUID } from '../helpers/conversations.js';
import { request } from '../helpers/http.js';
import { startNode } from '../helpers/node.js';
import { until } from '../helpers/wait.js';

const service = await startService(t);
const PASSWORD = 'correct horse';

const register = (body: unknown) => service.api('POST', '/api/auth/register', { body });
const login = (body: unknown) => service.api('POST', '/api/auth/login', { body });

t.test('register and login answer with the same person and a token that works', async (t) => {
  const email = mailOf('Ada');
  const made = await register({ email, password: PASSWORD, name: 'Ada Lovelace' });
  t.equal(made.status, 201);
  t.same(keysOf(made.body), ['email', 'name', 'token', 'user_id']);
  t.match(made.body.user_id, UUID);
  t.equal(made.body.email, email, 'as it was given');
  t.equal(made.body.name, 'Ada Lovelace');
  const { token, ...person } = made.body;
  const back = await service.api('POST', '/api/auth/login/', { body: { email, password: PASSWORD } });
  t.equal(back.status, 200);
  const { token: second, ...same } = back.body;
  t.same(same, person);
  for (const each of [token, second] as string[]) {
    t.match(decodeJwt(each).sub, /^[1-9]\d*$/);
    for (const _ of service.nodes) {
      const one = await service.api('GET', `/api/users/${person.user_id}`, { token: each });
      t.equal(one.status, 200);
      t.same(one.body, { ...person, profile_picture: null });
    }
  }
  const list = await service.api<Body[]>('GET', '/api/users/', { token: token as string });
  t.same(
    list.body.filter((each) => each.email === email),
    [{ ...person, profile_picture: null }],
  );
  const status = await service.api('GET', '/api/v1/users', { token: token as string });
  t.equal(status.status, 200, 'the token is good for the other documents too');
});

t.test('a name may be left out', async (t) => {
  for (const extra of [{}, { name: null }]) {
    const made = await register({ email: mailOf('nameless'), password: PASSWORD, ...extra });
    t.equal(made.status, 201);
    t.match(made.body.name, /^nameless\./, 'then the e-mail says how to call one');
  }
});

t.test('an e-mail is one account, whatever its case', async (t) => {
  const email = mailOf('Straße.É');
  t.equal((await register({ email, password: PASSWORD })).status, 201);
  for (const again of [
    email,
    email.toUpperCase(),
    email.toLowerCase(),
    ` ${email} `,
    email.normalize('NFD'),
  ]) {
    if (again.toLowerCase().normalize('NFC').trim() !== email.toLowerCase().normalize('NFC')) continue;
    isError(t, await register({ email: again, password: 'something else' }), 409, again);
    t.equal((await login({ email: again, password: PASSWORD })).status, 200, again);
  }
});

t.test('of several who register one e-mail at the same time on two nodes, one wins', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const email = mailOf(`race${round}`);
    const before = (await everyone()).length;
    const answers = await Promise.all(
      [0, 1, 2, 3].map((i) =>
        register({ email: i % 2 ? email.toUpperCase() : email, password: `${PASSWORD} ${i}` }),
      ),
    );
    t.same(answers.map((answer) => answer.status).sort(), [201, 409, 409, 409]);
    const winner = answers.findIndex((answer) => answer.status === 201);
    for (let i = 0; i < 4; i += 1) {
      const answer = await login({ email, password: `${PASSWORD} ${i}` });
      t.equal(answer.status, i === winner ? 200 : 401);
      if (i === winner) t.equal(answer.body.user_id, answers[i]?.body.user_id);
    }
    t.equal((await everyone()).length, before + 1, 'the others leave nobody behind');
  }

  async function everyone(): Promise<Body[]> {
    const watcher = await service.person({ sub: 'watcher' });
    return (await service.api<Body[]>('GET', '/api/users/', { as: watcher })).body;
  }
});

t.test('what is no e-mail, no password or no name is refused in words', async (t) => {
  const good = { email: mailOf('good'), password: PASSWORD };
  const emails = [
    undefined,
    null,
    7,
    {},
    '',
    ' ',
    'x',
    'x@',
    '@example.com',
    'a b@example.com',
    'a@b',
    'a@example',
    'a@@example.com',
    'a@b@example.com',
    'a@-example.com',
    'a@example-.com',
    'a@example..com',
    'a@.com',
    '.a@example.com',
    'a..b@example.com',
    '<a@example.com>',
    'a@exa mple.com',
    'a\u0000@example.com',
    'a\n@example.com',
    '\ud800@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b'.repeat(250)}.com`,
  ];
  for (const email of emails) isError(t, await register({ ...good, email }), 400, JSON.stringify(email));
  const passwords = [
    undefined,
    null,
    7,
    [],
    '',
    'short',
    '1234567',
    '😀😀😀😀😀😀😀',
    'é'.repeat(501),
    '\ud800abcdefgh',
  ];
  for (const password of passwords)
    isError(t, await register({ ...good, password }), 400, JSON.stringify(password));
  for (const name of ['', ' ', 7, [], 'x'.repeat(256), '\udc00']) {
    isError(t, await register({ ...good, name }), 400, JSON.stringify(name));
  }
  for (const body of [undefined, [], '"text"', '{']) {
    const headers = { 'content-type': 'application/json' };
    for (const path of ['register', 'login']) {
      isError(t, await service.api('POST', `/api/auth/${path}`, { body, headers }), 400, `${path} ${body}`);
    }
  }
  for (const body of [
    { email: 7, password: PASSWORD },
    { email: good.email, password: 7 },
    { email: good.email },
  ]) {
    isError(t, await login(body), 400, JSON.stringify(body));
  }
  t.equal((await register(good)).status, 201, 'none of them took the e-mail');
  for (const password of ['😀'.repeat(8), 'é'.repeat(500), '        ']) {
    const email = mailOf('passwords');
    t.equal((await register({ email, password })).status, 201);
    t.equal((await login({ email, password })).status, 200);
    t.equal((await login({ email, password: password.normalize('NFD') })).status, 200, 'however it is typed');
  }
});

t.test('unknown e-mail and wrong password are answered in the same words', async (t) => {
  const email = mailOf('words');
  await register({ email, password: PASSWORD });
  const wrong = [
    { email, password: `${PASSWORD}!` },
    { email, password: PASSWORD.toUpperCase() },
    { email, password: '' },
    { email, password: 'x'.repeat(2_000) },
    { email: mailOf('unknown'), password: PASSWORD },
    { email: 'no address', password: PASSWORD },
  ];
  const answers = [];
  for (const body of wrong) answers.push(await login(body));
  for (const answer of answers) {
    isError(t, answer, 401, answer.text);
    t.same(answer.body, answers[0]?.body);
    t.same([...answer.headers.keys()], [...(answers[0]?.headers.keys() ?? [])]);
  }
});

t.test("a token's e-mail finds no account, and takes none", async (t) => {
  const email = mailOf('claimed');
  const foreign = await service.person({ sub: 'foreign', email });
  isError(t, await login({ email, password: PASSWORD }), 401, 'a claim is no account');
  const made = await register({ email, password: PASSWORD });
  t.equal(made.status, 201, 'and it does not take the e-mail');
  t.not(made.body.user_id, foreign.id);
  t.equal((await login({ email, password: PASSWORD })).body.user_id, made.body.user_id);
});

t.test('neither passwords nor tokens reach a log line', async (t) => {
  // Lines come through a pipe, in their order: behind that of a last request all are there.
  for (const node of service.nodes) {
    await request('GET', `${node.url}/the-last-one`);
    await until('it is logged', () => node.logs().some((line) => line.includes('/the-last-one')));
  }
  const lines = service.nodes.flatMap((node) => node.logs()).join('\n');
  t.ok(lines.includes('/api/auth/register'), 'requests are logged');
  t.notOk(lines.includes(PASSWORD));
  t.notOk(/eyJ/.test(lines));
});

t.test('without local accounts both are not there', async (t) => {
  const node = await startNode(t, { ...service.redis.env, LOCAL_ACCOUNTS: 'false' });
  for (const path of ['register', 'login']) {
    for (const body of [{ email: mailOf('off'), password: PASSWORD }, {}]) {
      const response = await fetch(`${node.url}/api/auth/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      t.equal(response.status, 404);
      const { error } = (await response.json()) as { error: Body };
      t.equal(error.status, 404);
    }
  }
});
