/** The conversations document over HTTP, endpoint by endpoint. */

import t from 'tap';
import { formatUuid, parseUuid } from '../../src/core/ids.js';
import { type Body, isError, keysOf, SECONDS, startService, UUID } from '../helpers/conversations.js';

const service = await startService(t);

t.test('a conversation is started, found and listed as documented', async (t) => {
  const ada = await service.person({
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    picture: 'https://e.com/a.jpg',
  });
  const grace = await service.person({ name: 'Grace Hopper' });
  const before = Date.now();
  const made = await service.api('POST', '/api/conversations', {
    as: ada,
    body: { participant_id: grace.id },
  });
  t.equal(made.status, 201);
  t.same(keysOf(made.body), ['conversation_id', 'created_at', 'is_ai', 'last_message', 'participants']);
  t.match(made.body.conversation_id, UUID);
  t.equal(made.body.is_ai, false);
  t.equal(made.body.last_message, null);
  t.match(made.body.created_at, SECONDS);
  t.ok(Math.abs(Date.parse(made.body.created_at as string) - before) < 60_000);
  const profiles = [
    {
      user_id: ada.id,
      email: 'ada@example.com',
      name: 'Ada Lovelace',
      profile_picture: 'https://e.com/a.jpg',
    },
    { user_id: grace.id, email: '', name: 'Grace Hopper', profile_picture: null },
  ];
  t.same(made.body.participants, profiles, 'both, as profiles');

  for (const [as, other] of [
    [ada, grace],
    [grace, ada],
  ] as const) {
    const again = await service.api('POST', '/api/conversations/', {
      as,
      body: { participant_id: other.id, is_ai: false },
    });
    t.equal(again.status, 200, 'it exists');
    t.same(again.body, made.body, 'the same one, from both ends');
    for (const path of ['/api/conversations', '/api/conversations/']) {
      const list = await service.api<Body[]>('GET', path, { as });
      t.equal(list.status, 200);
      t.same(list.body, [made.body]);
    }
  }
  const id = made.body.conversation_id as string;
  await service.say(grace, id, 'hello');
  const [listed] = (await service.api<Body[]>('GET', '/api/conversations', { as: ada })).body;
  t.same(listed, { ...made.body, last_message: (await service.history(ada, id)).body[0] });
});

t.test('conversations are listed most recently active first', async (t) => {
  const ada = await service.person();
  const others = [await service.person(), await service.person(), await service.person()];
  const ids: string[] = [];
  for (const other of others) ids.push(await service.conversation(ada, other));
  const order = async (query = '') =>
    (await service.api<Body[]>('GET', `/api/conversations${query}`, { as: ada })).body.map(
      (each) => each.conversation_id,
    );
  t.same(await order(), [...ids].reverse());
  await service.say(ada, ids[0] as string, 'first');
  t.same(await order(), [ids[0], ids[2], ids[1]]);
  t.same(await order('?limit=2'), [ids[0], ids[2]]);
  isError(t, await service.api('GET', '/api/conversations?limit=0', { as: ada }), 400, 'limit');
});

t.test('a message is sent and listed as documented', async (t) => {
  const [ada, grace] = [await service.person(), await service.person()];
  const id = await service.conversation(ada, grace);
  for (const as of [ada, grace]) t.same((await service.history(as, id)).body, []);

  const body = { conversation_id: id, sender_id: ada.id, message: 'Hi, how are you?' };
  const sent = await service.api('POST', '/api/messages/', { as: ada, body });
  t.equal(sent.status, 200);
  t.same(keysOf(sent.body), ['message', 'message_id', 'timestamp']);
  t.match(sent.body.message_id, UUID);
  t.equal(sent.body.message, 'Hi, how are you?');
  t.match(sent.body.timestamp, SECONDS);
  const answer = await service.api('POST', '/api/messages', {
    as: grace,
    body: { conversation_id: id, message: "I'm good, thanks!" },
  });
  t.equal(answer.status, 200, 'without sender_id the caller sends; without the slash too');

  for (const as of [ada, grace]) {
    const history = await service.history(as, id);
    t.equal(history.status, 200);
    t.match(history.headers.get('content-type') ?? '', /^application\/json/);
    t.same(
      history.body,
      [
        { ...sent.body, sender_id: ada.id },
        { ...answer.body, sender_id: grace.id },
      ],
      'oldest first; the documented fields and the id',
    );
  }
  const odd = '  "quotes" \\ / \u0000 \u2028 é 日本 😀 </script>\n ';
  await service.say(ada, id, odd);
  t.equal((await service.history(grace, id)).body.at(-1)?.message, odd, 'a text comes back as it was given');
});

t.test('a history is narrowed by limit, before and after', async (t) => {
  const [ada, grace] = [await service.person(), await service.person()];
  const id = await service.conversation(ada, grace);
  const sent: Body[] = [];
  for (let i = 1; i <= 5; i += 1) sent.push(await service.say(i % 2 ? ada : grace, id, `m${i}`));
  const at = (i: number) => sent[i]?.message_id;
  const texts = async (query: string) =>
    (await service.history(ada, id, query)).body.map((each) => each.message);
  t.same(await texts('?limit=2'), ['m4', 'm5'], 'the newest are kept');
  t.same(await texts(`?before=${at(2)}`), ['m1', 'm2']);
  t.same(await texts(`?before=${at(3)}&limit=1`), ['m3']);
  t.same(await texts(`?after=${at(2)}`), ['m4', 'm5']);
  t.same(await texts(`?after=${at(0)}&before=${at(4)}`), ['m2', 'm3', 'm4']);
  t.same(await texts(`?after=${at(0)}&limit=2`), ['m2', 'm3']);
  const other = await service.say(ada, await service.conversation(ada, await service.person()), 'elsewhere');
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'before=x',
    'after=',
    `before=${other.message_id}`,
  ]) {
    isError(t, await service.history(ada, id, `?${query}`), 400, query);
  }
});

t.test('people are shown as documented', async (t) => {
  const ada = await service.person({ email: 'a@example.com', name: 'Ada', picture: 'https://e.com/p.jpg' });
  const shown = {
    user_id: ada.id,
    email: 'a@example.com',
    name: 'Ada',
    profile_picture: 'https://e.com/p.jpg',
  };
  const parts = await service.person({ given_name: 'Grace', family_name: 'Hopper' });
  const bare = await service.person({ sub: 'nothing known' });
  const number = await service.person({ sub: '4711', preferred_username: 'numero' });
  const uuid = formatUuid('user', 4711);
  const wanted = [
    shown,
    { user_id: parts.id, email: '', name: 'Grace Hopper', profile_picture: null },
    { user_id: bare.id, email: '', name: 'nothing known', profile_picture: null },
    { user_id: uuid, email: '', name: 'numero', profile_picture: null },
  ];
  for (const path of ['/api/users', '/api/users/']) {
    const list = await service.api<Body[]>('GET', path, { as: number });
    t.equal(list.status, 200);
    t.same(list.body.slice(-4), wanted, 'all, oldest first');
  }
  for (const profile of wanted) {
    const one = await service.api('GET', `/api/users/${encodeURIComponent(profile.user_id)}`, { as: ada });
    t.equal(one.status, 200);
    t.same(one.body, profile);
  }
  t.same((await service.api('GET', '/api/users/4711/', { as: ada })).body, wanted[3], 'in any form');
  const few = await service.api<Body[]>('GET', `/api/users?limit=2&before=${uuid}`, { as: ada });
  t.same(few.body, wanted.slice(1, 3));
  for (const query of ['limit=0', 'limit=1001', 'before=a&before=b']) {
    isError(t, await service.api('GET', `/api/users/?${query}`, { as: ada }), 400, query);
  }
  for (const id of ['nobody', formatUuid('user', 9_999_999), formatUuid('room', 1), '%00']) {
    isError(t, await service.api('GET', `/api/users/${id}`, { as: ada }), 404, id);
  }
});

t.test('integer-like ids are UUIDs here, and are read in every form', async (t) => {
  const [one, two] = [await service.person({ sub: '1001' }), await service.person({ sub: '1002' })];
  const made = await service.api('POST', '/api/conversations', { as: one, body: { participant_id: 1002 } });
  t.equal(made.status, 201);
  const users = (made.body.participants as Body[]).map((each) => each.user_id);
  t.same(users, [formatUuid('user', 1001), formatUuid('user', 1002)]);
  const number = parseUuid(made.body.conversation_id as string)?.n as number;
  for (const participant_id of ['1002', formatUuid('user', 1002), formatUuid('user', 1002).toUpperCase()]) {
    const again = await service.api('POST', '/api/conversations', { as: one, body: { participant_id } });
    t.equal(again.status, 200);
    t.equal(again.body.conversation_id, made.body.conversation_id);
  }
  for (const conversation_id of [number, String(number), made.body.conversation_id]) {
    for (const sender_id of [1002, '1002', formatUuid('user', 1002)]) {
      const body = { conversation_id, sender_id, message: 'hi' };
      t.equal((await service.api('POST', '/api/messages/', { as: two, body })).status, 200);
    }
  }
  const history = await service.history(one, String(number));
  t.equal(history.body.length, 9);
  t.equal(history.body[0]?.sender_id, formatUuid('user', 1002));
});

t.test('an idempotency key stores one message', async (t) => {
  const [ada, grace] = [await service.person(), await service.person()];
  const id = await service.conversation(ada, grace);
  const send = (key: string, message: string) =>
    service.api('POST', '/api/messages/', {
      as: ada,
      body: { conversation_id: id, message },
      headers: { 'idempotency-key': key },
    });
  const answers = await Promise.all([send('k', 'one'), send('k', 'one'), send('k', 'one')]);
  const later = await send('k', 'something else');
  for (const { status, body } of [...answers, later]) {
    t.equal(status, 200);
    t.same(body, answers[0]?.body, 'the first answer');
  }
  t.not((await send('k2', 'one')).body.message_id, later.body.message_id);
  t.equal((await service.history(grace, id)).body.length, 2);
  isError(t, await send('k'.repeat(256), 'x'), 400, 'a key too long');
});
