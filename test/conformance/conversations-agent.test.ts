import t from 'tap';
import {
  type Body,
  isError,
  isErrorBody,
  keysOf,
  type Person,
  SECONDS,
  type Service,
  startService,
  UUID,
} from '../helpers/conversations.js';
import { request } from '../helpers/http.js';
import { startNode } from '../helpers/node.js';
import { type Frame, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const service = await startService(t, { AGENT: 'echo', AGENT_RATE: '5', ROOMS_AUTH: 'jwt' });
/** A node without an agent, on which ids are believed. */
const plain = await startNode(t, { ...service.redis.env, ROOMS_AUTH: 'trusted' });
/** For an answer, on a busy machine. */
const PATIENCE_MS = 20_000;
const AGENT = '7061726c-616e-8001-8000-000000000000';

async function ask(as: Person): Promise<string> {
  const made = await service.api('POST', '/api/conversations', { as, body: { is_ai: true } });
  if (made.status !== 201) throw new Error(made.text);
  return made.body.conversation_id as string;
}

const isAnswer = (frame: Frame) => frame.sender_id === AGENT;
const deltasOf = (socket: TestSocket) => socket.frames.filter(({ type }) => type === 'delta');

async function answered(
  person: Person,
  conversation: string,
  count: number,
  of: Service = service,
): Promise<Body[]> {
  return until(
    `${count} messages`,
    async () => {
      const { body } = await of.history(person, conversation);
      return body.length >= count && body;
    },
    PATIENCE_MS,
  );
}

t.test('a conversation with the agent is an object like any other', async (t) => {
  const ann = await service.person({ name: 'Ann', sub: '7' });
  const made = await service.api('POST', '/api/conversations', { as: ann, body: { is_ai: true } });
  t.equal(made.status, 201);
  t.same(keysOf(made.body), ['conversation_id', 'created_at', 'is_ai', 'last_message', 'participants']);
  t.match(made.body, { conversation_id: UUID, is_ai: true, last_message: null, created_at: SECONDS });
  t.same(
    (made.body.participants as Body[]).map(({ user_id, name }) => [user_id, name]),
    [
      ['7061726c-616e-8001-8000-000000000007', 'Ann'],
      [AGENT, 'Assistant'],
    ],
  );
  const second = await service.api('POST', '/api/conversations', { as: ann, body: { is_ai: true } });
  t.equal(second.status, 201, 'always a new one');
  t.not(second.body.conversation_id, made.body.conversation_id);
  const list = await service.api<Body[]>('GET', '/api/conversations', { as: ann });
  t.same(
    list.body.map(({ is_ai }) => is_ai),
    [true, true],
  );
});

t.test('what is said is answered, once: typed as it is written, then stored', async (t) => {
  const ann = await service.person();
  const conversation = await ask(ann);
  const sockets = [
    await service.join(ann, conversation, '', { t }),
    await service.join(ann, conversation, '', { t }),
  ];
  sockets[0]?.send({ message: 'one two three four five six', ref: 'q' });
  for (const socket of sockets) {
    const answer = await socket.next(isAnswer, PATIENCE_MS);
    t.same(keysOf(answer), ['conversation_id', 'message', 'message_id', 'sender_id', 'timestamp']);
    t.equal(answer.message, 'You said: one two three four five six');
    const deltas = deltasOf(socket);
    t.ok(deltas.length > 1, `${deltas.length} deltas`);
    for (const delta of deltas) t.same(keysOf(delta), ['text', 'type']);
    t.equal(deltas.map(({ text }) => text).join(''), answer.message, 'the deltas are the answer');
    t.equal(socket.frames.at(-1)?.message, answer.message, 'the stored message is the last');
  }
  const history = await service.history(ann, conversation);
  t.same(
    history.body.map(({ sender_id, message }) => [sender_id, message]),
    [
      [ann.id, 'one two three four five six'],
      [AGENT, 'You said: one two three four five six'],
    ],
  );
});

t.test('a message by HTTP, and several at once, are answered in their order', async (t) => {
  const ann = await service.person();
  const conversation = await ask(ann);
  await service.say(ann, conversation, 'a');
  await Promise.all(['b', 'c', 'd'].map((text) => service.say(ann, conversation, text)));
  const history = await answered(ann, conversation, 8);
  const said = (who: string) =>
    history.filter(({ sender_id }) => sender_id === who).map(({ message }) => message);
  t.same(
    said(AGENT),
    said(ann.id).map((text) => `You said: ${text}`),
  );
  const shown = await service.api<Body[]>('GET', '/api/conversations', { as: ann });
  t.match(shown.body[0]?.last_message, { sender_id: AGENT });
});

t.test('a repeated key is no second question', async (t) => {
  const ann = await service.person();
  const conversation = await ask(ann);
  const body = { conversation_id: conversation, sender_id: ann.id, message: 'once' };
  for (let i = 0; i < 3; i += 1) {
    const headers = { 'idempotency-key': 'same' };
    t.equal((await service.api('POST', '/api/messages/', { as: ann, body, headers })).status, 200);
  }
  await answered(ann, conversation, 2);
  await service.say(ann, conversation, 'twice');
  t.equal((await answered(ann, conversation, 4)).length, 4);
});

t.test('who asks too much is told so, and nothing is stored', async (t) => {
  const ann = await service.person();
  const conversation = await ask(ann);
  for (let i = 0; i < 5; i += 1) await service.say(ann, conversation, `${i}`);
  const body = { conversation_id: conversation, sender_id: ann.id, message: 'too much' };
  const refused = await service.api('POST', '/api/messages/', { as: ann, body });
  isError(t, refused, 429, 'over the limit');
  t.match(refused.headers.get('retry-after'), /^[1-9][0-9]?$/);
  const socket = await service.join(ann, await ask(ann), '', { t });
  socket.send({ message: 'in another room', ref: 1 });
  isErrorBody(t, await socket.next((frame) => 'error' in frame), 429, 'on a socket, over all rooms', 1);
  const bob = await service.person();
  await service.say(ann, await service.conversation(ann, bob), 'people are no agents');
  await service.say(bob, await ask(bob), 'a limit of ann alone');
  const history = await answered(ann, conversation, 10);
  t.notOk(history.some(({ message }) => message === 'too much'));
});

t.test('the agent cannot be addressed, nor be anybody else', async (t) => {
  const ann = await service.person({ sub: '9' });
  const node = service.next();
  const token = ann.token;
  for (const id of [AGENT, '0']) {
    isError(
      t,
      await service.api('POST', '/api/conversations', { as: ann, body: { participant_id: id } }),
      404,
      id,
    );
    const chat = await request('POST', `${node.url}/chat/chats/start/`, { token, body: { user_id: id } });
    t.equal(chat.status, 404, 'chats');
    t.equal((await request('GET', `${node.url}/chat/messages/${id}/`, { token })).status, 404, 'netrox');
    t.equal((await request('GET', `${node.url}/chat_history/${id}`, { token })).status, 404, 'skillarena');
  }
  const seen = await service.api('GET', `/api/users/${AGENT}`, { as: ann });
  t.match(seen.body, { user_id: AGENT, name: 'Assistant', email: '', profile_picture: null });
  const all = await service.api<Body[]>('GET', '/api/users/', { as: ann });
  t.notOk(
    all.body.some(({ user_id }) => user_id === AGENT),
    'it is not in the directory: nobody can start a chat with it',
  );
});

t.test('nobody else sees the conversation', async (t) => {
  const [ann, eve] = [await service.person(), await service.person()];
  const conversation = await ask(ann);
  isError(t, await service.history(eve, conversation), 404, 'history');
  t.equal(await service.refused(conversation, '', { authorization: `Bearer ${eve.token}` }), 404, 'socket');
});

t.test(
  'chats and rooms show the conversation, without deltas; skillarena and netrox do not have it',
  async (t) => {
    const [ann, bob] = [await service.person({ sub: '21' }), await service.person()];
    const { token } = ann;
    const uuid = await ask(ann);
    const node = service.next();
    const get = <T>(path: string) =>
      request<T>('GET', `${node.url}${path}`, { token }).then(({ body }) => body);
    const [chat] = await get<Body[]>('/chat/chats/');
    const id = chat?.id as number;
    t.match(chat?.participants, [{ id: 21 }, { id: 0, role: 'User', profile: { first_name: 'Assistant' } }]);
    t.match(await get(`/api/v1/rooms/${id}`), { id: String(id), name: 'Assistant' });
    const headers = { authorization: `Bearer ${token}` };
    const own = await service.join(ann, uuid, '', { t });
    const chats = await open(`${node.wsUrl}/ws/chat/${id}/`, { t, headers });
    const rooms = await open(`${node.wsUrl}/api/v1/ws/${id}/21`, { t, headers });
    const skillarena = await open(`${node.wsUrl}/ws`, { t, headers });
    const netrox = await open(`${node.wsUrl}/ws/chat/room/`, { t, headers });
    chats.send({ type: 'message', content: 'hello from chats', ref: 'q' });
    await own.next(isAnswer, PATIENCE_MS);
    t.ok(deltasOf(own).length > 0, 'conversations see it being written');
    t.match(await chats.next((frame) => (frame.sender as Body | undefined)?.id === 0, PATIENCE_MS), {
      type: 'message',
      content: 'You said: hello from chats',
      sender: { id: 0, profile: { first_name: 'Assistant' } },
    });
    t.match(await rooms.next((frame) => frame.user_id === '0', PATIENCE_MS), {
      type: 'text',
      content: 'You said: hello from chats',
    });
    for (const socket of [chats, rooms]) t.same(deltasOf(socket), [], 'nobody else does');
    // That it is read is marked beside the answering, which does not wait for it.
    const shown = await until(
      'the question is read',
      async () => {
        const messages = await get<Body[]>(`/chat/chats/${id}/messages/`);
        return messages[0]?.is_read === true && messages;
      },
      PATIENCE_MS,
    );
    t.same(
      shown.map(({ is_read }) => is_read),
      [true, false],
      'the assistant has read the question',
    );
    t.same(await get('/chat_history'), []);
    t.match(await get('/chat/get-user-threads/'), { entity: [] });
    // Something of a direct chat, behind which nothing else can be on its way.
    await service.say(bob, await service.conversation(ann, bob), 'last');
    await skillarena.next((frame) => (frame.data as Body | undefined)?.message === 'last', PATIENCE_MS);
    await netrox.next((frame) => frame.message_body === 'last', PATIENCE_MS);
    for (const socket of [skillarena, netrox]) t.equal(socket.frames.length, 1, 'nothing of the assistant');
  },
);

t.test('nobody is let in as the agent', async (t) => {
  const token = await mintToken({ sub: '0' });
  isError(t, await service.api('GET', '/api/conversations', { token }), 401, 'a token of the agent');
  const room = await request<Body>('POST', `${plain.url}/api/v1/rooms`, { body: { name: 'open' } });
  for (const user_id of ['0', AGENT]) {
    const said = await request('POST', `${plain.url}/api/v1/rooms/${room.body.id}/messages`, {
      body: { content: 'I am the assistant', user_id },
    });
    t.equal(said.status, 400, 'where ids are believed');
  }
});

t.test(
  'on a node without an agent there is none, and what is asked there is answered elsewhere',
  async (t) => {
    const ann = await service.person();
    const conversation = await ask(ann);
    const { token } = ann;
    const made = await request('POST', `${plain.url}/api/conversations`, { token, body: { is_ai: true } });
    isError(t, made, 503, 'no agent');
    const body = { conversation_id: conversation, message: 'is there anybody?' };
    t.equal((await request('POST', `${plain.url}/api/messages/`, { token, body })).status, 200);
    const [, answer] = await answered(ann, conversation, 2);
    t.match(answer, { sender_id: AGENT, message: 'You said: is there anybody?' });
  },
);

t.test('it is counted', async (t) => {
  const [, answers] = await until('every answer is counted', async () => {
    const scrapes = service.nodes.map(async ({ url }) => (await request('GET', `${url}/metrics`)).text);
    const texts = await Promise.all(scrapes);
    for (const text of texts) t.match(text, /^parlance_agent_pending \d+$/m);
    const sum = (name: RegExp) => texts.reduce((total, text) => total + Number(name.exec(text)?.[1] ?? 0), 0);
    const answered = sum(/^parlance_agent_answers_total\{outcome="answered"\} (\d+)$/m);
    return answered >= 15 && [sum(/^parlance_agent_seconds_count (\d+)$/m), answered];
  });
  t.equal(answers, 15, 'what this file has asked');
});
