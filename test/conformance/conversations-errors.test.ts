/** What the conversations document refuses over HTTP, and how. */

import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { type Body, isError, keysOf, startService } from '../helpers/conversations.js';
import { mintToken } from '../helpers/token.js';

const service = await startService(t);

t.test('bad bodies are refused in words, and store nothing', async (t) => {
  const [ada, grace] = [await service.person(), await service.person()];
  const id = await service.conversation(ada, grace);
  const good = { conversation_id: id, message: 'x' };
  const bad: [number, unknown][] = [
    ...[undefined, null, 7, true, [], {}, '', ' \n\t', '\ud800', 'é'.repeat(8193)].map(
      (message): [number, unknown] => [400, { ...good, message }],
    ),
    [400, { message: 'x' }],
    ...[null, true, 1.5, [], {}].map((conversation_id): [number, unknown] => [
      400,
      { ...good, conversation_id },
    ]),
    ...['', 'x', '0', formatUuid('room', 999_999), formatUuid('user', 1)].map(
      (conversation_id): [number, unknown] => [404, { ...good, conversation_id }],
    ),
    ...[null, true, {}, 1.5].map((sender_id): [number, unknown] => [400, { ...good, sender_id }]),
    ...[grace.id, 'nobody', '', 7].map((sender_id): [number, unknown] => [403, { ...good, sender_id }]),
    [400, []],
    [400, '{"conversation_id":'],
    [400, `{"message":"${'x'.repeat(120_000)}"}`],
  ];
  for (const [status, body] of bad) {
    const headers = { 'content-type': 'application/json' };
    const answer = await service.api('POST', '/api/messages/', { as: ada, body, headers });
    isError(t, answer, status, JSON.stringify(body).slice(0, 80));
  }
  t.same((await service.history(ada, id)).body, []);
  const text = await service.api('POST', '/api/messages/', {
    as: ada,
    body: 'hello',
    headers: { 'content-type': 'text/plain' },
  });
  isError(t, text, 400, 'not JSON at all');
});

t.test('a conversation with nobody, oneself or an agent that is not there', async (t) => {
  const ada = await service.person();
  const start = (body: unknown) => service.api('POST', '/api/conversations', { as: ada, body });
  isError(t, await start({}), 400, 'nobody');
  isError(t, await start({ is_ai: false }), 400, 'nobody, and no agent');
  for (const participant_id of [null, true, {}, [], 1.5])
    isError(t, await start({ participant_id }), 400, 'type');
  isError(t, await start({ participant_id: 'x', is_ai: 'yes' }), 400, 'is_ai is no flag');
  isError(t, await start({ participant_id: ada.id }), 400, 'oneself');
  for (const participant_id of ['unknown', '', 987_654, -1]) {
    isError(t, await start({ participant_id }), 404, `unknown ${participant_id}`);
  }
  for (const body of [{ is_ai: true }, { is_ai: true, participant_id: null }]) {
    const answer = await start(body);
    isError(t, answer, 503, 'no agent');
    t.match((answer.body as { error: Body }).error.message, /agent/);
  }
  t.same((await service.api('GET', '/api/conversations', { as: ada })).body, []);
});

t.test('who is not in a conversation cannot tell it from one that does not exist', async (t) => {
  const [ada, grace, eve] = [await service.person(), await service.person(), await service.person()];
  const id = await service.conversation(ada, grace);
  await service.say(ada, id, 'secret');
  const none = formatUuid('room', 9_000_000);
  const room = await service.api('POST', '/api/v1/rooms', { as: eve, body: { name: 'open' } });
  const open = formatUuid('room', Number(room.body.id));
  for (const conversation of [id, none, open, 'x']) {
    const answers = [
      await service.history(eve, conversation),
      await service.api('POST', `/api/conversations/${conversation}/connect`, { as: eve }),
      await service.api('POST', '/api/messages/', {
        as: eve,
        body: { conversation_id: conversation, message: 'x' },
      }),
    ];
    for (const answer of answers) {
      isError(t, answer, 404, conversation);
      t.same(answer.body, { error: { message: 'conversation not found', status: 404 } }, 'the same words');
    }
  }
  t.same((await service.api('GET', '/api/conversations', { as: eve })).body, []);
  t.equal((await service.history(grace, id)).body.length, 1);
});

t.test('without a good token nothing but 401, before anything else is looked at', async (t) => {
  const tokens = [
    undefined,
    'rubbish',
    await mintToken({ sub: 'a' }, 'x'.repeat(40)),
    await mintToken({ sub: 'a' }, undefined, { expiresIn: '-1m' }),
  ];
  const routes: [string, string][] = [
    ['GET', '/api/conversations'],
    ['POST', '/api/conversations'],
    ['GET', '/api/conversations/x?limit=x'],
    ['POST', '/api/conversations/x/connect'],
    ['POST', '/api/messages/'],
    ['GET', '/api/users/'],
    ['GET', '/api/users/x'],
  ];
  for (const token of tokens) {
    for (const [method, path] of routes) {
      const body = method === 'POST' ? { body: {} } : {};
      const answer = await service.api(method, path, { ...(token === undefined ? {} : { token }), ...body });
      isError(t, answer, 401, `${method} ${path}`);
      t.equal(answer.headers.get('www-authenticate'), 'Bearer');
    }
  }
});

t.test('unknown paths are answered in the shape of the document', async (t) => {
  const ada = await service.person();
  for (const [method, path] of [
    ['GET', '/api'],
    ['GET', '/api/nothing'],
    ['DELETE', '/api/conversations'],
    ['GET', '/api/messages/'],
    ['GET', '/api/auth/login'],
  ] as const) {
    isError(t, await service.api(method, path, { as: ada }), 404, `${method} ${path}`);
  }
  const rooms = await service.api('GET', '/api/v1/nothing', { as: ada });
  t.same(keysOf(rooms.body), ['detail'], 'what lies below /api/v1 is another document');
});
