/** The socket of the chats document: its frames, who hears what, bad input, refs. */

import t from 'tap';
import {
  type ChatMessage,
  framesOf,
  heard,
  keysOf,
  MESSAGE_KEYS,
  type Person,
  SECONDS,
  startChats,
} from '../helpers/chats.js';
import { request } from '../helpers/http.js';
import { connect, open } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const pair = await startChats(t);

t.test("the document's own example, and what it looks like in history", async (t) => {
  const profile = { email: 'user1@example.com', role: 'Student', given_name: 'John', family_name: 'Doe' };
  const john = await pair.person({ sub: '2', ...profile });
  const jane = await pair.person({ sub: '3' });
  const chat = await pair.chat(john, jane);
  const sockets = [
    await pair.join(t, chat, john),
    await pair.join(t, chat, john),
    await pair.join(t, chat, jane),
    await pair.join(t, chat, jane),
  ];
  sockets[0]?.send({ type: 'message', content: 'Hello there!' });
  for (const socket of sockets) await heard(socket, 'Hello there!');
  const [stored] = await pair.messages(chat, jane);
  for (const socket of sockets) {
    const frame = socket.frames[0] as Record<string, unknown>;
    t.same(keysOf(frame), [...MESSAGE_KEYS, 'type'].sort());
    t.same(frame, {
      type: 'message',
      id: stored?.id,
      sender: {
        id: 2,
        email: 'user1@example.com',
        role: 'Student',
        profile: { first_name: 'John', last_name: 'Doe', photo: null },
      },
      content: 'Hello there!',
      timestamp: stored?.timestamp,
      is_read: false,
    });
    t.match(frame.timestamp, SECONDS);
  }

  const posted = await pair.say(chat, jane, 'by HTTP');
  for (const socket of sockets) {
    t.same(await heard(socket, 'by HTTP'), { type: 'message', ...posted });
    t.equal(socket.frames.length, 2, 'each once');
  }
});

t.test('a socket begins with what comes; texts come back as they were given, in order', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  await pair.say(chat, ann, 'before');
  const [a, b] = [await pair.join(t, chat, ann), await pair.join(t, chat, bob)];
  const odd = '"quotes" \\ \u0000 \u2028 </script> é 日本 😀\n';
  const longest = 'é'.repeat(8_192);
  a.send({ type: 'message', content: odd, colour: 'red', __proto__: { a: 1 } });
  a.send(`{"type":"message","content":"${'\\u00e9'.repeat(8_192)}"}`);
  for (let i = 0; i < 20; i += 1) a.send({ type: 'message', content: `m${i}` });
  await heard(b, 'm19');
  await heard(a, 'm19');
  const history = await pair.messages(chat, bob);
  t.same(
    history.map(({ content }) => content),
    ['before', odd, longest, ...Array.from({ length: 20 }, (_, i) => `m${i}`)],
  );
  const live = history.slice(1).map((message) => ({ type: 'message', ...message }));
  t.same(a.frames, live);
  t.same(b.frames, live);
});

t.test('everyone in the chat hears once that somebody read', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person({ sub: 'bob|1' })];
  const chat = await pair.chat(ann, bob);
  const sockets = [
    await pair.join(t, chat, ann),
    await pair.join(t, chat, bob),
    await pair.join(t, chat, ann),
    await pair.join(t, chat, bob),
  ];
  const elsewhere = await pair.join(t, await pair.chat(ann, await pair.person()), ann);
  const sent: ChatMessage[] = [];
  for (const who of [ann, ann, bob]) sent.push(await pair.say(chat, who, `m${sent.length}`));
  const [m0, m1, m2] = sent as [ChatMessage, ChatMessage, ChatMessage];
  for (let i = 0; i < 3; i += 1) {
    await pair.read(m1, bob);
    await pair.read(m0, ann);
    await pair.read(m2, ann);
  }
  await pair.read(m0, bob);
  const expected = [
    { type: 'read', message_id: m1.id, user_id: 'bob|1' },
    { type: 'read', message_id: m2.id, user_id: Number(ann.id) },
    { type: 'read', message_id: m0.id, user_id: 'bob|1' },
  ];
  for (const socket of sockets) {
    await socket.next((frame) => frame.type === 'read' && frame.message_id === m0.id);
    t.same(framesOf(socket, 'read'), expected);
  }
  t.same(elsewhere.frames, [], 'another chat hears nothing');
});

t.test('bad frames get an error frame each, store nothing, and the socket stays open', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const [socket, other] = [await pair.join(t, chat, ann), await pair.join(t, chat, bob)];
  const frames: (string | Buffer | object)[] = [
    '',
    'hello',
    '{',
    '[]',
    '5',
    'null',
    '"text"',
    Buffer.from('{}'),
  ];
  for (const type of [undefined, null, 7, '', 'text', 'Message', 'read']) frames.push({ type, content: 'x' });
  const texts = [
    undefined,
    null,
    7,
    true,
    [],
    {},
    '',
    ' \n',
    '\ud800',
    'x'.repeat(16_385),
    'é'.repeat(8_193),
  ];
  for (const content of texts) frames.push({ type: 'message', content });
  for (const ref of ['', 'r'.repeat(256), 1.5, true, [], {}])
    frames.push({ type: 'message', content: 'x', ref });
  for (const frame of frames) {
    socket.send(frame);
    const answer = await socket.next();
    const { ref } = frame as { ref?: unknown };
    const repeated = ['string', 'number'].includes(typeof ref);
    const keys = repeated ? ['detail', 'ref', 'type'] : ['detail', 'type'];
    t.same(keysOf(answer), keys, JSON.stringify(frame).slice(0, 60));
    if (repeated) t.equal(answer.ref, ref);
    t.equal(answer.type, 'error');
    t.ok(typeof answer.detail === 'string' && answer.detail !== '');
  }
  socket.send({ type: 'nonsense', ref: 'r-1' });
  t.match(await socket.next(), { type: 'error', detail: String, ref: 'r-1' });
  socket.send({ type: 'message', content: ' ', ref: 7 });
  t.match(await socket.next(), { type: 'error', detail: String, ref: 7 });
  socket.send({ type: 'message', content: 'at last', ref: null });
  t.match(await socket.next(), { type: 'message', content: 'at last' });
  t.match(await pair.messages(chat, bob), [{ content: 'at last' }]);
  await heard(other, 'at last');
  t.equal(other.frames.length, 1, 'errors go to that socket only');

  socket.send({ type: 'message', content: 'x'.repeat(16_384 * 6 + 4_096) });
  t.equal((await socket.closed).code, 1009);
});

t.test('a ref comes back to the sending socket only, and stores one message', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const [a1, a2, b] = [
    await pair.join(t, chat, ann),
    await pair.join(t, chat, ann),
    await pair.join(t, chat, bob),
  ];
  a1.send({ type: 'message', content: 'once', ref: 'r-1' });
  const { ref, ...first } = await heard(a1, 'once');
  t.equal(ref, 'r-1');
  for (const socket of [a2, b]) t.same(await heard(socket, 'once'), first);

  a1.send({ type: 'message', content: 'once', ref: 'r-1' });
  t.same(await heard(a1, 'once'), { ...first, ref: 'r-1' });
  await pair.read(first as { id: unknown }, bob);
  for (const socket of [a1, a2, b]) await socket.nextOf('read');
  a2.send({ type: 'message', content: 'other words', ref: 'r-1' });
  t.same(await heard(a2, 'once'), { ...first, is_read: true, ref: 'r-1' }, 'as it is now');
  const byHttp = await pair.ok<ChatMessage>(201, 'POST', `/chats/${chat}/messages/`, {
    ...ann,
    body: { content: 'once' },
    headers: { 'idempotency-key': 'r-1' },
  });
  t.equal(byHttp.id, first.id, 'a ref and an Idempotency-Key are one');
  b.send({ type: 'message', content: 'bob’s', ref: 'r-1' });
  t.not((await heard(b, 'bob’s')).id, first.id);
  a1.send({ type: 'message', content: 'a number', ref: 42 });
  t.equal((await heard(a1, 'a number')).ref, 42);
  await heard(b, 'a number');
  t.equal((await pair.messages(chat, ann)).length, 3);
  t.equal(framesOf(b, 'message').length, 3, 'a repeat is heard by nobody else');
});

t.test('tokens: where they may stand, and what happens when they end', async (t) => {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const inQuery = await open(pair.socketUrl(chat, `?token=${ann.token}`), { t });
  const inProtocol = await open(pair.socketUrl(chat), { t, protocols: ['bearer', ann.token] });
  t.equal(inProtocol.ws.protocol, 'bearer');
  const noSlash = await open(`${pair.next().wsUrl}/ws/chat/${chat}?token=${ann.token}`, { t });
  await pair.say(chat, bob, 'hello');
  for (const socket of [inQuery, inProtocol, noSlash]) await heard(socket, 'hello');

  for (const options of [{}, { protocols: ['bearer', 'nonsense'] }]) {
    t.equal(await connect(pair.socketUrl(chat), options).upgradeStatus, 401);
  }
  t.equal(await connect(pair.socketUrl(chat, '?token=nonsense')).upgradeStatus, 401);
  t.equal(await connect(pair.socketUrl(99_999, '?token=nonsense')).upgradeStatus, 401, 'before 404');

  const brief = await mintToken({ sub: ann.id }, undefined, { expiresIn: '3s' });
  const socket = await open(pair.socketUrl(chat, `?token=${brief}`), { t });
  t.equal((await socket.closed).code, 4401);
  t.equal(inQuery.ws.readyState, inQuery.ws.OPEN);
});

t.test('a third person hears nothing, whatever they have open', async (t) => {
  const [ann, bob, eve] = [await pair.person(), await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const [withAnn, withBob] = [await pair.chat(eve, ann), await pair.chat(bob, eve)];
  const eves = [await pair.join(t, withAnn, eve), await pair.join(t, withBob, eve)];
  const [a, b] = [await pair.join(t, chat, ann), await pair.join(t, chat, bob)];
  a.send({ type: 'message', content: 'between us' });
  const secret = await heard(b, 'between us');
  await pair.read(secret as { id: unknown }, bob);
  await a.nextOf('read');
  await pair.say(withAnn, ann, 'the end');
  await pair.say(withBob, bob, 'the end');
  for (const socket of eves) {
    await heard(socket, 'the end');
    t.equal(socket.frames.length, 1);
  }
});

t.test(
  'one room for all dialects: what the rooms document sends is heard here, and the other way',
  async (t) => {
    const [ann, bob] = [await pair.person(), await pair.person()];
    const chat = await pair.chat(ann, bob);
    const here = await pair.join(t, chat, bob);
    const there = await open(`${pair.next().wsUrl}/api/v1/ws/${chat}/${ann.id}?token=${ann.token}`, { t });
    await there.nextOf('history');
    const sent = await request<{ id: string }>('POST', `${pair.next().url}/api/v1/rooms/${chat}/messages`, {
      ...ann,
      body: { content: 'from there', user_id: ann.id },
    });
    const frame = await heard(here, 'from there');
    t.equal(String(frame.id), sent.body.id);
    here.send({ type: 'message', content: 'from here' });
    const answer = await there.next((one) => one.content === 'from here');
    const stored = await pair.messages(chat, ann);
    t.same(
      stored.map(({ id, timestamp }) => [String(id), timestamp]),
      framesOf(there, 'text').map(({ id, created_at }) => [id, created_at]),
    );
    t.equal(answer.user_id, bob.id);
    await heard(here, 'from here');
    t.equal(framesOf(here, 'message').length, 2);
  },
);

t.test('a change of a profile shows in what is sent from then on', async (t) => {
  const [ann, bob] = [await pair.person({ iat: 1_000_000_000 }), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const socket = await pair.join(t, chat, bob);
  // On each node, from before the change.
  const hers = [await pair.join(t, chat, ann), await pair.join(t, chat, ann)];
  t.match(await pair.say(chat, ann, 'one'), { sender: { profile: { first_name: '' } } });
  const renamed: Person = { ...ann, token: await mintToken({ sub: ann.id, given_name: 'Ann' }) };
  t.match(await pair.say(chat, renamed, 'two'), { sender: { profile: { first_name: 'Ann' } } });
  t.match(await heard(socket, 'two'), { sender: { profile: { first_name: 'Ann' } } });
  await until('both nodes show it in history', async () => {
    const shown = [await pair.messages(chat, bob), await pair.messages(chat, bob)].flat();
    return shown.every(({ sender }) => sender.profile.first_name === 'Ann');
  });
  for (const [i, own] of hers.entries()) {
    own.send({ type: 'message', content: `socket ${i}` });
    t.match(await heard(socket, `socket ${i}`), { sender: { profile: { first_name: 'Ann' } } });
  }
});
