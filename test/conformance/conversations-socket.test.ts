/** The socket of the conversations document, and the way to it. */

import t from 'tap';
import { formatUuid, parseUuid } from '../../src/core/ids.js';
import {
  type Body,
  FRAME_KEYS,
  isErrorBody,
  keysOf,
  SECONDS,
  startService,
  UUID,
} from '../helpers/conversations.js';
import { request } from '../helpers/http.js';
import { startNode } from '../helpers/node.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until, within } from '../helpers/wait.js';

const service = await startService(t);

async function pair() {
  const [ada, grace] = [await service.person(), await service.person()];
  return { ada, grace, id: await service.conversation(ada, grace) };
}

async function connectBody(as: { token: string }, id: string): Promise<Body> {
  const answer = await service.api('POST', `/api/conversations/${id}/connect`, { token: as.token });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return answer.body;
}

t.test('connect answers as documented, with a URL that is the socket', async (t) => {
  const { ada, grace, id } = await pair();
  const body = await connectBody(ada, id);
  t.same(keysOf(body), ['conversation_id', 'status', 'websocket_url']);
  t.equal(body.status, 'WebSocket connected');
  t.equal(body.conversation_id, id);
  const url = new URL(body.websocket_url as string);
  t.ok(
    service.nodes.some((node) => node.wsUrl === url.origin),
    'on the host that was asked',
  );
  t.equal(url.pathname, `/api/conversations/${id}/connect`);
  const socket = await open(url.href, { t });
  const other = service.nodes.find((node) => node.wsUrl !== url.origin);
  const second = new URL((await connectBody(grace, id)).websocket_url as string);
  const theirs = await open(`${other?.wsUrl}${second.pathname}${second.search}`, { t });
  socket.send({ message: 'through a ticket' });
  t.equal(
    (await theirs.next()).message,
    'through a ticket',
    'a ticket of one node opens a socket of the other',
  );
  const json = { 'content-type': 'application/json' };
  for (const sent of [{ body: {} }, { body: '', headers: json }, {}]) {
    const again = await service.api('POST', `/api/conversations/${id}/connect/`, { as: ada, ...sent });
    t.equal(again.status, 200, 'with a body, with an empty one, with none');
  }
});

t.test('a ticket is good once, for its conversation', async (t) => {
  const { ada, id } = await pair();
  const other = await service.conversation(ada, await service.person());
  const ticketOf = async () => new URL((await connectBody(ada, id)).websocket_url as string).search;
  const search = await ticketOf();
  const many = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(() => connect(service.socketUrl(id, search), { t }).upgradeStatus),
  );
  t.same(many.sort(), [101, 401, 401, 401, 401, 401], 'one of six opens');
  t.equal(await service.refused(other, await ticketOf()), 401, 'another conversation');
  for (const bad of ['?ticket=', '?ticket=x', `?ticket=${'A'.repeat(43)}`, '?ticket=a&ticket=b']) {
    t.equal(await service.refused(id, bad), 401, bad);
    t.equal(
      await service.refused(id, bad, { authorization: `Bearer ${ada.token}` }),
      401,
      `${bad} with a token`,
    );
  }
  // Lines come through a pipe, in their order: behind that of a last request all are there.
  for (const node of service.nodes) {
    await request('GET', `${node.url}/the-last-one`);
    await until('it is logged', () => node.logs().some((line) => line.includes('/the-last-one')));
  }
  const lines = service.nodes.flatMap((node) => node.logs()).join('\n');
  const ticket = search.slice('?ticket='.length);
  t.ok(lines.includes('/connect'), 'requests are logged');
  t.notOk(lines.includes(ticket), 'tickets are not');
  const asked = performance.now();
  const fresh = (await ticketOf()).slice('?ticket='.length);
  const leftMs = Number(/^:(\d+)\r/.exec(await service.redis.ask(`PTTL ticket:${fresh}`))?.[1]);
  // On a busy machine some of the time is over by now.
  const passedMs = performance.now() - asked;
  t.ok(leftMs <= 30_000 && leftMs + passedMs > 29_900, `it is good for 30 s: ${leftMs} ms are left`);
});

t.test('PUBLIC_URL is where the socket is', async (t) => {
  const { ada, id } = await pair();
  const env = service.redis.env;
  for (const [given, wanted] of [
    ['https://chat.example.com', 'wss://chat.example.com'],
    ['http://10.0.0.1:8080/base/', 'ws://10.0.0.1:8080/base'],
  ]) {
    const node = await startNode(t, { ...env, PUBLIC_URL: given as string });
    const answer = await fetch(`${node.url}/api/conversations/${id}/connect`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada.token}` },
    });
    const { websocket_url } = (await answer.json()) as { websocket_url: string };
    t.ok(websocket_url.startsWith(`${wanted}/api/conversations/${id}/connect?ticket=`), websocket_url);
  }
});

t.test('frames are as documented, on every socket of both', async (t) => {
  const { ada, grace, id } = await pair();
  const sockets = [
    await service.join(ada, id, '', { t }),
    await service.join(ada, id, '', { t }),
    await service.join(grace, id, '', { t }),
    await open(service.socketUrl(id, `?token=${grace.token}`), { t }),
    await open(service.socketUrl(id), { t, protocols: ['bearer', grace.token] }),
  ];
  const sending = sockets[0] as TestSocket;
  sending.send({ message: 'Hello!', ref: 'r-1' });
  const { ref, ...own } = await sending.next();
  t.equal(ref, 'r-1', 'the sender gets its ref');
  t.same(keysOf(own), FRAME_KEYS);
  t.match(own.message_id, UUID);
  t.equal(parseUuid(own.message_id as string)?.kind, 'message');
  t.equal(own.conversation_id, id);
  t.equal(own.sender_id, ada.id);
  t.equal(own.message, 'Hello!');
  t.match(own.timestamp, SECONDS);
  for (const socket of sockets.slice(1)) t.same(await socket.next(), own, 'the others the same without it');
  const { conversation_id: _, ...stored } = own;
  t.same((await service.history(grace, id)).body, [stored], 'and it is in the history');

  sending.send({ message: 'no ref' });
  t.same(keysOf(await sending.next()), FRAME_KEYS);
  const http = await service.say(grace, id, 'by HTTP');
  const wanted = { ...http, conversation_id: id, sender_id: grace.id };
  for (const socket of sockets) t.same(await socket.next((frame) => frame.message === 'by HTTP'), wanted);
  const numbers = await service.person({ sub: '31337' });
  const conversation = await service.conversation(numbers, ada);
  const socket = await service.join(numbers, conversation, '', { t });
  socket.send({ message: 'x', ref: 7, sender_id: 31337 });
  const frame = await socket.next();
  t.equal(frame.sender_id, formatUuid('user', 31337));
  t.equal(frame.ref, 7);
});

t.test('a socket starts with what comes, and nobody hears that it is there', async (t) => {
  const { ada, grace, id } = await pair();
  await service.say(ada, id, 'before');
  const first = await service.join(ada, id, '', { t });
  const second = await service.join(grace, id, '', { t });
  await second.close();
  await service.say(ada, id, 'after');
  t.equal((await first.next()).message, 'after');
  t.equal(first.frames.length, 1);
});

t.test('a ref stores one message, and is answered with the first', async (t) => {
  const { ada, grace, id } = await pair();
  const [mine, again, theirs] = [
    await service.join(ada, id, '', { t }),
    await service.join(ada, id, '', { t }),
    await service.join(grace, id, '', { t }),
  ];
  mine.send({ message: 'once', ref: 'same' });
  const first = await mine.next();
  again.send({ message: 'once', ref: 'same' });
  t.same(await again.next((frame) => frame.ref === 'same'), first);
  again.send({ message: 'last' });
  await theirs.next((frame) => frame.message === 'last');
  t.same(
    theirs.frames.map((frame) => frame.message),
    ['once', 'last'],
  );
  t.equal((await service.history(ada, id)).body.length, 2);
});

t.test('bad frames are answered with an error, store nothing, and the socket stays open', async (t) => {
  const { ada, grace, id } = await pair();
  const socket = await service.join(ada, id, '', { t });
  const theirs = await service.join(grace, id, '', { t });
  const frames: [number, unknown, unknown?][] = [
    [400, 'not JSON'],
    [400, '"text"'],
    [400, '[]'],
    [400, 'null'],
    [400, '7'],
    [400, Buffer.from('{"message":"binary"}')],
    [400, {}],
    [400, { ref: 'r' }, 'r'],
    ...[null, 7, true, [], {}, '', ' \n', '\ud800', 'é'.repeat(8193)].map(
      (message): [number, unknown, unknown] => [400, { message, ref: 'm' }, 'm'],
    ),
    [400, { type: 'text', message: 'x', ref: 5 }, 5],
    [400, { type: 7, message: 'x' }],
    [400, { message: 'x', ref: {} }],
    [400, { message: 'x', ref: '' }, ''],
    [400, { message: 'x', ref: 'r'.repeat(256) }, 'r'.repeat(256)],
    [403, { message: 'x', sender_id: grace.id, ref: 's' }, 's'],
    [400, { message: 'x', conversation_id: formatUuid('room', 1_000_000), ref: 'c' }, 'c'],
    [400, { message: 'x', conversation_id: 'no id' }],
  ];
  for (const [status, frame, ref] of frames) {
    socket.send(frame as object);
    isErrorBody(t, await socket.next(), status, JSON.stringify(frame).slice(0, 60), ref);
  }
  socket.send({ message: 'still open', conversation_id: id });
  t.equal((await socket.next()).message, 'still open');
  t.equal((await theirs.next()).message, 'still open');
  t.equal(theirs.frames.length, 1, 'the other end hears nothing of it');
  t.equal((await service.history(ada, id)).body.length, 1);
});

t.test('since: what came after, then live, without a gap or a repeat', async (t) => {
  const { ada, grace, id } = await pair();
  const sent: Body[] = [];
  for (let i = 1; i <= 130; i += 1) sent.push(await service.say(i % 2 ? ada : grace, id, `m${i}`));
  const socket = await service.join(grace, id, `?since=${sent[4]?.message_id}`, { t });
  await service.say(ada, id, 'live');
  await socket.next((frame) => frame.message === 'live');
  const wanted = [...sent.slice(5).map((each) => each.message), 'live'];
  t.same(
    socket.frames.map((frame) => frame.message),
    wanted,
  );
  t.ok(
    socket.frames.every((frame) => keysOf(frame).join() === FRAME_KEYS.join()),
    'in the same shape',
  );

  socket.send({ type: 'cursor' });
  const { cursor, ...rest } = await socket.nextOf('cursor');
  t.same(rest, { type: 'cursor' });
  t.ok(typeof cursor === 'string' && cursor !== '' && cursor.length < 4096);
  await socket.close();
  await service.say(ada, id, 'while away');
  const back = await service.join(grace, id, `?since=${encodeURIComponent(cursor as string)}`, { t });
  t.equal((await back.next()).message, 'while away');
  await service.say(ada, id, 'again');
  t.equal((await back.next()).message, 'again');

  const beyond = await service.join(grace, id, `?since=${encodeURIComponent('100000.abc')}`, { t });
  t.same(await beyond.next(), { type: 'reset' });
  t.equal((await beyond.next((frame) => frame.message === 'again')).message, 'again', 'then the newest page');
  for (const bad of ['x', '', 'a.b', formatUuid('message', 3), formatUuid('room', 1)]) {
    const headers = { authorization: `Bearer ${ada.token}` };
    t.equal(await service.refused(id, `?since=${bad}`, headers), 400, `since=${bad}`);
  }
});

t.test('who may not read a conversation gets no socket and no frame', async (t) => {
  const { ada, id } = await pair();
  const eve = await service.person();
  const as = (token: string) => ({ authorization: `Bearer ${token}` });
  t.equal(await service.refused(id), 401, 'nobody');
  t.equal(await service.refused(id, '', as('rubbish')), 401, 'a bad token');
  t.equal(await service.refused(id, '?token=rubbish'), 401);
  t.equal(await service.refused(id, '', as(await mintToken({ sub: ada.id }, 'y'.repeat(40)))), 401);
  const room = await service.api('POST', '/api/v1/rooms', { as: eve, body: { name: 'open' } });
  const none = [id, formatUuid('room', 8_000_000), 'x', String(room.body.id)];
  for (const conversation of none) t.equal(await service.refused(conversation, '', as(eve.token)), 404);
  const own = await service.join(eve, await service.conversation(eve, await service.person()), '', { t });
  await service.say(ada, id, 'not for eve');
  await service.say(
    eve,
    String(
      ((await service.api<Body[]>('GET', '/api/conversations', { as: eve })).body[0] as Body).conversation_id,
    ),
    'mine',
  );
  t.equal((await own.next()).message, 'mine');
  t.equal(own.frames.length, 1);
  const plain = await service.api('GET', `/api/conversations/${id}/connect`, { as: ada });
  t.equal(plain.status, 404, 'it is a socket, no page');
});

t.test('a socket ends with its token, also when a ticket opened it', async (t) => {
  const { ada, id } = await pair();
  const exp = Math.ceil(Date.now() / 1000) + 3;
  const brief = { id: ada.id, token: await mintToken({ sub: ada.id, exp }) };
  const ticket = new URL((await connectBody(brief, id)).websocket_url as string).search;
  const sockets = [
    await service.join(brief, id, '', { t }),
    await open(service.socketUrl(id, ticket), { t }),
  ];
  for (const socket of sockets) t.equal((await within('a close', socket.closed, 20_000)).code, 4401);
  t.ok(Date.now() >= exp * 1000, 'not before');
  t.equal(await service.refused(id, `?token=${await mintToken({ sub: ada.id, exp: exp - 60 })}`), 401);
});
