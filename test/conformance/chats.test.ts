/** The chats document over HTTP, endpoint by endpoint, through two nodes. */

import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { keys } from '../../src/redis/keys.js';
import {
  type Chat,
  type ChatMessage,
  keysOf,
  MESSAGE_KEYS,
  type Person,
  SECONDS,
  type Status,
  startChats,
} from '../helpers/chats.js';
import { request } from '../helpers/http.js';
import { until } from '../helpers/wait.js';

const pair = await startChats(t, { SOCKET_RATE: '0' });

const JOHN = {
  id: 2,
  email: 'user1@example.com',
  role: 'Student',
  profile: { first_name: 'John', last_name: 'Doe', photo: null },
};
const JANE = {
  id: 3,
  email: 'user2@example.com',
  role: 'Supervisor',
  profile: {
    first_name: 'Jane',
    last_name: 'Smith',
    photo: 'http://example.com/media/profile_pics/user2.jpg',
  },
};

t.test("the document's own examples", async (t) => {
  const { email, role } = JOHN;
  const john = await pair.person({ sub: '2', email, role, given_name: 'John', family_name: 'Doe' });
  const jane = await pair.person({
    sub: '3',
    email: JANE.email,
    role: JANE.role,
    given_name: 'Jane',
    family_name: 'Smith',
    picture: JANE.profile.photo,
  });
  t.same(await pair.ok(200, 'GET', '/chats/', john), [], 'no chat yet');

  const started = await pair.api<Chat>('POST', '/chats/start/', { ...john, body: { user_id: 3 } });
  t.equal(started.status, 201, 'new');
  const chat = started.body;
  t.same(chat, { id: 1, participants: [JOHN, JANE], created_at: chat.created_at });
  t.match(chat.created_at, SECONDS);
  for (const [person, user_id] of [
    [john, 3],
    [jane, 2],
    [jane, '2'],
    [jane, formatUuid('user', 2)],
  ] as const) {
    const again = await pair.api<Chat>('POST', '/chats/start/', { ...person, body: { user_id } });
    t.equal(again.status, 200, 'there already');
    t.same(again.body, chat);
  }
  t.same(await pair.ok(200, 'GET', '/chats/1/', jane), chat);
  t.same(await pair.ok(200, 'GET', '/chats/', john), [chat]);

  const first = await pair.say(1, john, 'Hello, how are you?');
  t.same(keysOf(first), MESSAGE_KEYS);
  t.same(first, { ...first, sender: JOHN, content: 'Hello, how are you?', is_read: false });
  t.match(first.timestamp, SECONDS);
  t.ok(Number.isSafeInteger(first.id));
  const second = await pair.say(1, jane, "I'm doing well, thanks! How about you?");
  t.same(second.sender, JANE);
  const read = await pair.api('PATCH', `/messages/${first.id}/read/`, jane);
  t.equal(read.status, 200);
  t.same(read.body, { status: 'marked as read' });
  t.same(await pair.messages(1, john), [{ ...first, is_read: true }, second]);

  const status = await pair.ok<Status>(200, 'GET', '/users/3/status/', john);
  t.same(keysOf(status), ['is_online', 'last_seen']);
  t.equal(status.is_online, false);
  t.match(status.last_seen, SECONDS);
});

t.test('every path works without the slash at its end', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const sent = await pair.say(chat, ann, 'slash');
  const paths = ['/chats', `/chats/${chat}`, `/chats/${chat}/messages`, `/users/${bob.id}/status`];
  for (const path of paths) {
    t.same(await pair.ok(200, 'GET', path, ann), await pair.ok(200, 'GET', `${path}/`, ann), path);
  }
  await pair.ok(200, 'POST', '/chats/start', { ...ann, body: { user_id: bob.id } });
  await pair.ok(201, 'POST', `/chats/${chat}/messages`, { ...ann, body: { content: 'slash' } });
  await pair.ok(200, 'PATCH', `/messages/${sent.id}/read`, bob);
  t.equal((await pair.messages(chat, ann, '?limit=1')).length, 1);
});

t.test('a browser may send every request of the document', async (t) => {
  for (const [method, path] of [
    ['GET', '/chats/'],
    ['POST', '/chats/start/'],
    ['PATCH', '/messages/1/read/'],
  ] as const) {
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type,idempotency-key',
    };
    const answer = await pair.api('OPTIONS', path, { headers });
    t.equal(answer.status, 204);
    const allowed = (name: string) => answer.headers.get(`access-control-allow-${name}`)?.split(/, ?/);
    t.ok(allowed('methods')?.includes(method), `${method}: ${allowed('methods')}`);
    t.same(allowed('headers')?.sort(), ['authorization', 'content-type', 'idempotency-key']);
  }
});

t.test('the list holds all chats of a user, newest first, and nobody else’s', async (t) => {
  const ann = await pair.person();
  const chats = [];
  for (let i = 0; i < 5; i += 1) chats.unshift(await pair.chat(ann, await pair.person()));
  await pair.chat(await pair.person(), await pair.person());
  for (let i = 0; i < 2; i += 1) {
    const list = await pair.ok<Chat[]>(200, 'GET', '/chats/', ann);
    t.same(
      list.map(({ id }) => id),
      chats,
    );
    for (const chat of list) {
      t.same(keysOf(chat), ['created_at', 'id', 'participants']);
      t.same(await pair.ok(200, 'GET', `/chats/${chat.id}/`, ann), chat);
    }
  }
});

t.test('a person is shown with what is known, in the documented types', async (t) => {
  const ann = await pair.person();
  const shown = async (claims: Record<string, unknown>) => {
    const { id } = await pair.person(claims);
    const body = { user_id: id };
    const chat = await pair.ok<Chat>(201, 'POST', '/chats/start/', { ...ann, body });
    return chat.participants.find((one) => String(one.id) === id);
  };
  const nothing = { first_name: '', last_name: '', photo: null };
  t.same(await shown({ sub: '9001' }), { id: 9001, email: '', role: 'User', profile: nothing });
  t.same(
    await shown({ sub: 'x:y|z/é😀' }),
    { id: 'x:y|z/é😀', email: '', role: 'User', profile: nothing },
    'an id that is no integer is written as it is',
  );
  const names: [Record<string, unknown>, string, string][] = [
    [{ name: 'Ada Lovelace' }, 'Ada', 'Lovelace'],
    [{ name: 'Ludwig van Beethoven' }, 'Ludwig', 'van Beethoven'],
    [{ name: 'Madonna' }, 'Madonna', ''],
    [{ given_name: 'Ada', name: 'A. King' }, 'Ada', ''],
    [{ family_name: 'Lovelace', name: 'A. King' }, '', 'Lovelace'],
    [{ preferred_username: 'ada' }, 'ada', ''],
    [{ preferred_username: 'ada', name: 'Ada Lovelace' }, 'Ada', 'Lovelace'],
  ];
  for (const [claims, first, last] of names) {
    const user = await shown(claims);
    t.same(user?.profile, { first_name: first, last_name: last, photo: null }, JSON.stringify(claims));
  }
});

t.test('a text comes back as it was given; the list holds all of them, oldest first', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  t.same(await pair.messages(chat, ann), []);
  const odd = '  "quotes" \\ / \u0000 \u2028 é 日本 😀 </script>\n ';
  const sent = [await pair.say(chat, ann, odd), await pair.say(chat, ann, 'é'.repeat(8192))];
  t.equal(sent[0]?.content, odd);
  for (let i = 0; i < 10; i += 1) sent.push(await pair.say(chat, i % 2 ? ann : bob, `m${i}`));
  for (const person of [ann, bob]) t.same(await pair.messages(chat, person), sent);
  t.equal(new Set(sent.map(({ id }) => id)).size, sent.length);

  const idAt = (i: number) => sent.at(i)?.id;
  t.same(await pair.messages(chat, ann, '?limit=3'), sent.slice(-3), 'the newest');
  t.same(await pair.messages(chat, ann, `?before=${idAt(5)}`), sent.slice(0, 5));
  t.same(await pair.messages(chat, ann, `?before=${idAt(5)}&limit=2`), sent.slice(3, 5));
  t.same(await pair.messages(chat, ann, `?after=${idAt(5)}`), sent.slice(6));
  t.same(await pair.messages(chat, ann, `?after=${idAt(5)}&limit=2`), sent.slice(6, 8));
  t.same(await pair.messages(chat, ann, `?after=${idAt(2)}&before=${idAt(5)}`), sent.slice(3, 5));
  t.same(
    await pair.messages(chat, ann, `?after=${formatUuid('message', idAt(-2) as number)}`),
    sent.slice(-1),
  );
});

t.test('a history longer than its pages is whole', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const socket = await pair.join(t, chat, ann);
  const texts = Array.from({ length: 1_203 }, (_, i) => `m${i}`);
  for (const content of texts) {
    socket.send({ type: 'message', content });
    if (socket.ws.bufferedAmount > 65_536) await new Promise((resolve) => setImmediate(resolve));
  }
  await until('all are stored', () => socket.frames.length === texts.length, 20_000);
  const history = await pair.messages(chat, bob);
  t.same(
    history.map(({ content }) => content),
    texts,
  );
  t.equal(history[0]?.id, socket.frames[0]?.id);
});

t.test('read is per message, by the other, and for good', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const sent: ChatMessage[] = [];
  for (let i = 0; i < 5; i += 1) sent.push(await pair.say(chat, i === 3 ? bob : ann, `m${i}`));
  const marks = async (person: Person) => (await pair.messages(chat, person)).map(({ is_read }) => is_read);
  const [m0, , m2, fromBob] = sent as [ChatMessage, ChatMessage, ChatMessage, ChatMessage];

  await pair.read(m2, bob);
  for (const person of [ann, bob]) {
    t.same(await marks(person), [false, false, true, false, false], 'that one, not those before it');
  }
  t.same(await pair.read(m0, ann), { status: 'marked as read' });
  t.same(await marks(ann), [false, false, true, false, false], 'one’s own: no change');
  for (let i = 0; i < 3; i += 1) await pair.read(m0, bob);
  await pair.read({ id: formatUuid('message', fromBob.id) }, ann);
  for (const person of [ann, bob]) t.same(await marks(person), [true, false, true, true, false]);

  // The document gives this request no body; clients send all sorts of nothing.
  const path = `/messages/${sent[4]?.id}/read/`;
  const json = { 'content-type': 'application/json' };
  await pair.ok(200, 'PATCH', path, { ...ann, headers: json });
  await pair.ok(200, 'PATCH', path, { ...ann, body: {} });
  await pair.ok(200, 'PATCH', path, { ...ann, body: 'x', headers: { 'content-type': 'text/html' } });
});

t.test('an Idempotency-Key stores one message, and the answer is the first', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const post = (person: Person, content: string, key: string) =>
    pair.api<ChatMessage>('POST', `/chats/${chat}/messages/`, {
      ...person,
      body: { content },
      headers: { 'idempotency-key': key },
    });
  const first = await post(ann, 'once', 'k1');
  const repeats = await Promise.all([post(ann, 'once', 'k1'), post(ann, 'other words', 'k1')]);
  for (const { status, body } of repeats) {
    t.equal(status, 201);
    t.same(body, first.body);
  }
  await pair.read(first.body, bob);
  t.same((await post(ann, 'once', 'k1')).body, { ...first.body, is_read: true }, 'as it is now');
  t.not((await post(bob, 'once', 'k1')).body.id, first.body.id, 'another’s key is another key');
  t.not((await post(ann, 'once', 'k2')).body.id, first.body.id);
  t.equal((await pair.messages(chat, ann)).length, 3);
});

t.test('both ends start at once, on two nodes: one chat', async (t) => {
  const people = await Promise.all(Array.from({ length: 100 }, () => pair.person()));
  const start = (node: number, { token }: Person, other: Person) =>
    request<Chat>('POST', `${pair.nodes[node]?.url}/chat/chats/start/`, {
      token,
      body: { user_id: other.id },
    });
  const ids = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const [ann, bob] = people.slice(2 * i, 2 * i + 2) as [Person, Person];
      const answers = await Promise.all([start(0, ann, bob), start(1, bob, ann)]);
      t.same(answers.map(({ status }) => status).sort(), [200, 201], 'one of them made it');
      t.same(answers[0].body, answers[1].body);
      for (const person of [ann, bob]) {
        t.same(await pair.ok(200, 'GET', '/chats/', person), [answers[0].body], 'it is in both lists');
      }
      return answers[0].body.id;
    }),
  );
  t.equal(new Set(ids).size, 50);
});

t.test('a room with the agent is a chat too', async (t) => {
  const [ann, eve] = [await pair.person(), await pair.person()];
  const agent = await pair.person({ name: 'Assistant' });
  const id = 7_000;
  const participants = JSON.stringify(JSON.stringify([ann.id, agent.id]));
  await pair.redis.ask(
    `HSET ${keys.room(id)} kind agent name "" participants ${participants} created 1700000000000`,
  );
  await pair.redis.ask(`SADD ${keys.userRooms(ann.id)} ${id}`);
  const [chat] = await pair.ok<Chat[]>(200, 'GET', '/chats/', ann);
  t.match(chat, { id, created_at: '2023-11-14T22:13:20Z', participants: { length: 2 } });
  t.same(await pair.ok(200, 'GET', `/chats/${id}/`, ann), chat);
  const socket = await pair.join(t, id, ann);
  const sent = await pair.say(id, ann, 'hello, agent');
  t.match(await socket.next(), { type: 'message', id: sent.id });
  await pair.read(sent, agent);
  t.same(await pair.messages(id, ann), [{ ...sent, is_read: true }]);
  t.equal((await pair.api('GET', `/chats/${id}/`, eve)).status, 404);
});
