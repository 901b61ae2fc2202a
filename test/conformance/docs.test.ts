/** The API documents: valid, whole, served without anybody's help, and true of what the node answers. */

import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import t, { type Test } from 'tap';
import { ApiDocs } from '../helpers/api-docs.js';
import { form, SAMPLES, startFileWorld } from '../helpers/files.js';
import { type RequestOptions, request } from '../helpers/http.js';
import { type Frame, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

/** What the five documents promise, each path as its document writes it. */
const DOCUMENTED: Record<string, [method: string, path: string][]> = {
  skillarena: [
    ['GET', '/chat_history/{other_user_id}'],
    ['GET', '/chat_history'],
    ['POST', '/upload_files'],
    ['POST', '/get_presigned_urls'],
    ['WS', '/ws/{token}'],
  ],
  netrox: [
    ['GET', '/chat/messages/<uid>/'],
    ['GET', '/chat/get-user-threads/'],
    ['POST', '/chat/chat-attachment/'],
    ['WS', '/ws/chat/room/'],
  ],
  chats: [
    ['GET', '/chat/chats/'],
    ['GET', '/chat/chats/<id>/'],
    ['GET', '/chat/chats/<id>/messages/'],
    ['POST', '/chat/chats/<id>/messages/'],
    ['PATCH', '/chat/messages/<id>/read/'],
    ['GET', '/chat/users/<id>/status/'],
    ['POST', '/chat/chats/start/'],
    ['WS', '/ws/chat/<chat_id>/'],
  ],
  conversations: [
    ['POST', '/api/auth/register'],
    ['POST', '/api/auth/login'],
    ['GET', '/api/conversations'],
    ['GET', '/api/conversations/{conversation_id}'],
    ['POST', '/api/conversations'],
    ['POST', '/api/conversations/{conversation_id}/connect'],
    ['POST', '/api/messages/'],
    ['GET', '/api/users/{user_id}'],
    ['GET', '/api/users/'],
  ],
  rooms: [
    ['WS', '/api/v1/ws/{room_id}/{user_id}'],
    ['POST', '/api/v1/rooms'],
    ['GET', '/api/v1/rooms'],
    ['GET', '/api/v1/rooms/{room_id}'],
    ['POST', '/api/v1/users'],
    ['GET', '/api/v1/users'],
    ['GET', '/api/v1/users/{user_id}'],
    ['POST', '/api/v1/rooms/{room_id}/messages'],
    ['GET', '/api/v1/rooms/{room_id}/messages'],
  ],
};
/** For what takes its way through Redis, on a busy machine. */
const PATIENCE_MS = 20_000;
const unnamed = (path: string) => path.replace(/[{<]\w+[>}]/g, '{}');

const world = await startFileWorld(t, { AGENT: 'echo' });
const docs = await ApiDocs.of(world.next());

t.test('both are valid by their specifications', async (t) => {
  t.match(docs.open.openapi, /^3\.1\./);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(docs.open)));
  t.ok(valid, JSON.stringify(errors));
  const specification = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json');
  const ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false });
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  const check = ajv.compile(specification);
  t.ok(check(docs.async), JSON.stringify(check.errors?.slice(0, 5)));
  t.notOk(check({ ...docs.async, channels: { a: { address: 5 } } }), 'and a wrong one is found out');
});

t.test('every documented path is in them', async (t) => {
  const there = new Set([
    ...Object.entries(docs.open.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${unnamed(path)}`),
    ),
    ...Object.values(docs.async.channels).map(({ address }) => `WS ${unnamed(address)}`),
  ]);
  for (const [name, paths] of Object.entries(DOCUMENTED)) {
    for (const [method, path] of paths) t.ok(there.has(`${method} ${unnamed(path)}`), `${name}: ${path}`);
  }
});

t.test('the pages need nobody else', async (t) => {
  const { url } = world.next();
  for (const page of ['/docs', '/docs/sockets']) {
    const { status, text, headers } = await request<string>('GET', url + page);
    t.equal(status, 200, page);
    t.notMatch(text, /(?:src|href)="(?:https?:)?\/\//, `${page} loads nothing from elsewhere`);
    t.notMatch(headers.get('content-security-policy'), /https?:|\*/);
    const links = [...text.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, link = '']) => link);
    for (const link of links) t.equal((await request('GET', new URL(link, url).href)).status, 200, link);
  }
});

/** Calls a route and compares the answer with the document. */
async function call(
  t: Test,
  method: string,
  path: string,
  at: string,
  options: RequestOptions & { expect?: number } = {},
) {
  const answer = await request<Record<string, unknown>>(method, world.next().url + at, options);
  if (options.expect !== undefined) t.equal(answer.status, options.expect, `${method} ${at}: ${answer.text}`);
  t.same(docs.faultsOf(method, path, answer), []);
  return answer.body;
}

t.test('what routes answer is as they say', async (t) => {
  const [ada, bob] = ['201', '202'];
  const claims = { given_name: 'Ada', picture: 'https://example.com/a.png', email: 'ada@example.com' };
  const token = await mintToken({ sub: ada, ...claims });
  const other = await mintToken({ sub: bob });
  const as = { token };
  const get = (path: string, at: string, expect = 200) => call(t, 'GET', path, at, { ...as, expect });
  const post = (path: string, at: string, body: unknown, expect = 200) =>
    call(t, 'POST', path, at, { ...as, body, expect });
  await call(t, 'GET', '/chat/chats/', '/chat/chats/', { token: other, expect: 200 });

  await get('/healthz', '/healthz');
  await get('/readyz', '/readyz');
  await get('/metrics', '/metrics');

  const parts = [
    { field: 'other_user_id', value: bob },
    { field: 'files', name: 'a.png', bytes: SAMPLES.png },
  ];
  const uploaded = await call(t, 'POST', '/upload_files', '/upload_files', {
    ...as,
    ...form(parts),
    expect: 200,
  });
  const [file] = uploaded.files as { file_url: string }[];
  await post('/get_presigned_urls', '/get_presigned_urls', { files: [file?.file_url] });
  await get('/mediafiles/{path}', file?.file_url ?? '', 302);
  const sent = [
    { field: 'receiver', value: bob },
    { field: 'message', value: 'look' },
    { field: 'attached_file', name: 'a.png', bytes: SAMPLES.png },
  ];
  const path = '/chat/chat-attachment/';
  await call(t, 'POST', path, path, { ...as, ...form(sent), expect: 201 });
  await get('/chat/messages/{uid}/', `/chat/messages/${bob}/?limit=1`);
  await get('/chat/get-user-threads/', '/chat/get-user-threads/');
  await get('/chat_history', '/chat_history');
  await get('/chat_history/{other}', `/chat_history/${bob}`);

  const chat = await post('/chat/chats/start/', '/chat/chats/start/', { user_id: 202 });
  await post('/chat/chats/start/', '/chat/chats/start/', { user_id: 'nobody' }, 404);
  const at = `/chat/chats/${chat.id}/`;
  await get('/chat/chats/', '/chat/chats');
  await get('/chat/chats/{chat}/', at);
  const message = await post('/chat/chats/{chat}/messages/', `${at}messages/`, { content: 'a' }, 201);
  await post('/chat/chats/{chat}/messages/', `${at}messages/`, { content: ' ' }, 400);
  await get('/chat/chats/{chat}/messages/', `${at}messages/?before=${message.id}`);
  await call(t, 'PATCH', '/chat/messages/{message}/read/', `/chat/messages/${message.id}/read/`, {
    token: other,
    expect: 200,
  });
  await get('/chat/users/{user}/status/', `/chat/users/${bob}/status/`);

  const account = { email: 'eve@example.com', password: 'correct horse' };
  await post('/api/auth/register', '/api/auth/register', account, 201);
  await post('/api/auth/register', '/api/auth/register', account, 409);
  await post('/api/auth/login', '/api/auth/login', account);
  const started = await post('/api/conversations', '/api/conversations', { participant_id: bob });
  const id = started.conversation_id as string;
  await get('/api/conversations', '/api/conversations?limit=5');
  await get('/api/conversations/{conversation}', `/api/conversations/${id}`);
  await post('/api/conversations/{conversation}/connect', `/api/conversations/${id}/connect`, undefined);
  await post('/api/messages/', '/api/messages/', { conversation_id: id, message: 'b' });
  await get('/api/users/', '/api/users/?limit=3');
  await get('/api/users/{user}', `/api/users/${bob}`);

  const guest = await post('/api/v1/users', '/api/v1/users', { username: 'guest' });
  await get('/api/v1/users', '/api/v1/users');
  await get('/api/v1/users/{user}', `/api/v1/users/${guest.id}`);
  const room = await post('/api/v1/rooms', '/api/v1/rooms', { name: 'a room' });
  await get('/api/v1/rooms', '/api/v1/rooms');
  await get('/api/v1/rooms/{room}', `/api/v1/rooms/${room.id}`);
  const said = { content: 'c', user_id: ada, type: 'text' };
  await post('/api/v1/rooms/{room}/messages', `/api/v1/rooms/${room.id}/messages`, said);
  await get('/api/v1/rooms/{room}/messages', `/api/v1/rooms/${room.id}/messages`);

  for (const [path, item] of Object.entries(docs.open.paths)) {
    for (const [method, { responses, security }] of Object.entries(item)) {
      const name = `${method.toUpperCase()} ${path}`;
      t.ok(docs.called.has(`${name} ${path.startsWith('/mediafiles') ? 3 : 2}XX`), `${name} was called`);
      const open = security?.some((one) => Object.keys(one).length === 0) || security?.length === 0;
      if (open || !responses['4XX']) continue;
      const somewhere = path.replace(/\{\w+\}/g, '1');
      await call(t, method.toUpperCase(), path, somewhere, { expect: 401 });
    }
  }
});

t.test('queries are bounded as they say', async (t) => {
  const token = await mintToken({ sub: 'limits' });
  let seen = 0;
  for (const [path, { get }] of Object.entries(docs.open.paths)) {
    const { parameters = [] } = (get ?? {}) as {
      parameters?: { name: string; schema: { maximum: number } }[];
    };
    const maximum = parameters.find(({ name }) => name === 'limit')?.schema.maximum;
    if (maximum === undefined || path.includes('{')) continue;
    seen += 1;
    for (const [limit, status] of [
      [1, 200],
      [maximum, 200],
      [0, 400],
      [maximum + 1, 400],
      ['x', 400],
    ]) {
      await call(t, 'GET', path, `${path}?limit=${limit}`, { token, expect: status as number });
    }
  }
  t.ok(seen >= 4);
});

/**
 * Sends frames, good and bad: the node takes exactly those that the document describes, and all it says is in it.
 * `count` and `isAnswer`: how many frames are due for the good ones, and which these are.
 */
async function speak(
  t: Test,
  address: string,
  socket: TestSocket,
  good: object[],
  bad: unknown[],
  [count, isAnswer]: [count: number, isAnswer: (frame: Frame) => boolean],
): Promise<void> {
  const errors = () =>
    socket.frames.filter((frame) => frame.type === 'error' || frame.action === 'error' || frame.error);
  const cursor = address === '/ws/chat/room/' ? { action: 'cursor' } : { type: 'cursor' };
  const cursors = () => socket.frames.filter((frame) => typeof frame.cursor === 'string').length;
  const settle = async () => {
    const before = cursors();
    socket.send(cursor);
    await until('the answer to the last frame', () => cursors() > before);
  };
  t.ok(docs.describes(address, cursor), `${address}: asking for a cursor`);
  for (const frame of good) {
    t.ok(docs.describes(address, frame), `described: ${JSON.stringify(frame)}`);
    socket.send(frame);
  }
  await settle();
  // What is stored comes back later than the answer to a frame that came after it.
  const answered = () => socket.frames.filter(isAnswer).length >= count || errors().length > 0;
  await until(`${count} answers`, answered, PATIENCE_MS);
  t.same(errors(), [], address);
  for (const [i, frame] of bad.entries()) {
    t.notOk(docs.describes(address, frame), `not described: ${JSON.stringify(frame)}`);
    socket.send(frame as object);
    await until(`an error for ${JSON.stringify(frame)}`, () => errors().length > i);
  }
  await settle();
  for (const frame of socket.frames) t.same(docs.faultsOfFrame(address, frame), []);
}

t.test('what sockets take and say is as they say', async (t) => {
  const [ann, ben] = ['301', '302'];
  const tokens = [await mintToken({ sub: ann }), await mintToken({ sub: ben })];
  const [token = '', other = ''] = tokens;
  const api = async <T>(method: string, path: string, body?: unknown, as = token) =>
    (await request<T>(method, world.next().url + path, { token: as, ...(body ? { body } : {}) })).body;
  await api('GET', '/chat/chats/', undefined, other);
  const { id: chat } = await api<{ id: number }>('POST', '/chat/chats/start/', { user_id: ben });
  const { id: room } = await api<{ id: string }>('POST', '/api/v1/rooms', { name: 'here' });
  const { conversation_id } = await api<{ conversation_id: string }>('POST', '/api/conversations', {
    participant_id: ben,
  });
  const connect = (path: string, as = token) =>
    open(`${world.next().wsUrl}${path}`, { t, headers: { authorization: `Bearer ${as}` } });
  const wrong = [[], 'text', { type: 'nonsense' }, {}];

  const rooms = await connect(`/api/v1/ws/${room}/${ann}`);
  await (await connect(`/api/v1/ws/${room}/${ben}`, other)).nextOf('history');
  await until('the news of the other', () => rooms.frames.some(({ type }) => type === 'system'));
  const text = { type: 'text', content: 'a', ref: 1, user_id: ann };
  const noText = [{ ...text, content: 5 }, { ...text, ref: {} }, { ...text, user_id: [] }, { type: 'text' }];
  await speak(
    t,
    '/api/v1/ws/{room}/{user}',
    rooms,
    [text, { type: 'text', content: 'b' }],
    [...wrong, ...noText],
    [2, ({ type }) => type === 'text'],
  );

  const chats = await connect(`/ws/chat/${chat}/`);
  const message = { type: 'message', content: 'a', ref: 'r' };
  const { id } = await api<{ id: number }>('POST', `/chat/chats/${chat}/messages/`, { content: 'read me' });
  await api('PATCH', `/chat/messages/${id}/read/`, undefined, other);
  await until('the news that it was read', () => chats.frames.some(({ type }) => type === 'read'));
  const noMessage = [...wrong, { type: 'message', content: null }];
  await speak(t, '/ws/chat/{chat}/', chats, [message], noMessage, [1, ({ ref }) => ref === 'r']);

  const conversation = await connect(`/api/conversations/${conversation_id}/connect`);
  const spoken = { message: 'a', sender_id: Number(ann) };
  const refused = [[], 'text', { message: {} }, { message: 'a', sender_id: 1.5 }, { type: 'text' }];
  const inConversation = '/api/conversations/{conversation}/connect';
  await speak(t, inConversation, conversation, [spoken], refused, [1, (frame) => frame.message === 'a']);
  const asked = await api<{ conversation_id: string }>('POST', '/api/conversations', { is_ai: true });
  const agent = await connect(`/api/conversations/${asked.conversation_id}/connect`);
  agent.send({ message: 'say something' });
  const answered = () => agent.frames.filter(({ message }) => message !== undefined).length === 2;
  await until('the answer', answered, PATIENCE_MS);
  t.ok(agent.frames.some(({ type }) => type === 'delta'));
  for (const frame of agent.frames) t.same(docs.faultsOfFrame(inConversation, frame), []);

  const skill = await connect('/ws');
  const listening = await connect('/ws', other);
  const data = { receiver_id: ben, message: 'a', attachments: [], ref: 'once' };
  skill.send({ type: 'message', data });
  const { message_id } = (await listening.nextOf('message')).data as { message_id: string };
  listening.send({ type: 'receipt_update', data: { message_id, status: 'read', user_id: ben } });
  await skill.nextOf('receipt_update');
  const stop = { type: 'receipt_update', data: { message_id, status: 'read', stop: 'true' } };
  const noData = [
    { type: 'message', data: { ...data, attachments: 'a' } },
    { type: 'message', data: { ...data, receiver_id: '' } },
    { type: 'receipt_update', data: { message_id, status: 'sent' } },
    { type: 'receipt_update', data: { message_id, status: 'read', stop: 1 } },
  ];
  await speak(t, '/ws', skill, [stop], [...wrong, ...noData], [0, () => false]);
  const inPath = Object.values(docs.async.channels).find(({ address }) => address === '/ws/{token}');
  const plain = Object.values(docs.async.channels).find(({ address }) => address === '/ws');
  t.same(inPath?.messages, plain?.messages, 'with the token in the path it is the same socket');

  const netrox = await connect('/ws/chat/room/');
  const action = { action: 'chat_message', message_body: 'a', receiver_id: ben, ref: 7 };
  const seen = { action: 'message_seen', chat_id: Number(message_id), ref: 8 };
  await (await connect('/ws/chat/room/', other)).send({ ...action, receiver_id: ann });
  await until('a message', () => netrox.frames.some((frame) => frame.action === 're_message'));
  const parts = [
    { field: 'receiver', value: ben },
    { field: 'message', value: 'look' },
    { field: 'attached_file', name: 'a.png', bytes: SAMPLES.png },
  ];
  const watching = await connect('/ws/chat/room/');
  const upload = await request<{ entity: { message: { id: number } } }>(
    'POST',
    `${world.next().url}/chat/chat-attachment/`,
    { token, ...form(parts) },
  );
  const file = { action: 'chat_message_file', chat_id: upload.body.entity.message.id };
  const noAction = [
    { ...action, receiver_id: null },
    { ...seen, chat_id: -1 },
    { ...file, chat_id: undefined },
  ];
  const noFrame = [[], 'text', { action: 'no' }, ...noAction];
  const isAck = (frame: Frame) => frame.action === 'ack';
  await speak(t, '/ws/chat/room/', netrox, [action, seen, file], noFrame, [2, isAck]);
  await until('the file', () => watching.frames.some((frame) => frame.action === 're_message_file'));
  for (const frame of watching.frames) t.same(docs.faultsOfFrame('/ws/chat/room/', frame), []);

  const gone = [
    `/api/v1/ws/${room}/${ann}`,
    `/ws/chat/${chat}/`,
    `/api/conversations/${conversation_id}/connect`,
  ];
  const addresses = [
    '/api/v1/ws/{room}/{user}',
    '/ws/chat/{chat}/',
    '/api/conversations/{conversation}/connect',
  ];
  for (const [i, path] of gone.entries()) {
    const socket = await connect(`${path}?since=99999.nowhere`);
    const reset = await socket.nextOf('reset');
    t.same(docs.faultsOfFrame(addresses[i] as string, reset), []);
  }
  for (const path of ['/ws', '/ws/chat/room/']) {
    const { cursor } = netrox.frames.find((frame) => typeof frame.cursor === 'string') as { cursor: string };
    const lost = cursor.replace(/^[^~]+/, (handle) => 'A'.repeat(handle.length));
    const socket = await connect(`${path}?since=${encodeURIComponent(lost)}`);
    await until('a reset', () => socket.frames.some((frame) => (frame.type ?? frame.action) === 'reset'));
    for (const frame of socket.frames) t.same(docs.faultsOfFrame(path, frame), []);
  }

  for (const { address, messages } of Object.values(docs.async.channels)) {
    if (address === '/ws/{token}') continue;
    for (const name of Object.keys(messages)) {
      if (name.startsWith('out.')) t.ok(docs.heard.has(`${address} ${name}`), `${address}: ${name} came`);
    }
  }
});
