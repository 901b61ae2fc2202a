/** The socket of the skillarena document: who comes in, what everyone gets, and how a client comes back. */

import t from 'tap';
import { request } from '../helpers/http.js';
import {
  type ChatMessage,
  dataOf,
  framesOf,
  heard,
  isError,
  MESSAGE_KEYS,
  MILLISECONDS,
  receipt,
  says,
  startPair,
  taken,
} from '../helpers/skillarena.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const pair = await startPair(t);

const texts = (socket: TestSocket) => framesOf<ChatMessage>(socket, 'message').map(({ message }) => message);

t.test('a message reaches every socket of both, on every node, the same', async (t) => {
  await pair.meet('m-ann', 'm-bob');
  const sockets = [];
  for (const user of ['m-ann', 'm-ann', 'm-bob', 'm-bob']) sockets.push(await pair.join(user, { t }));
  const [ann, annToo, bob, bobToo] = sockets as [TestSocket, TestSocket, TestSocket, TestSocket];
  // Sent as the document prints the frame: with what the server itself fills in.
  const printed = {
    sender_id: 'm-ann',
    receiver_id: 'm-bob',
    status: 'read',
    message: 'message_text',
    attachments: [],
    created_at: 'timestamp',
  };
  ann.send({ type: 'message', data: printed });
  const first = await heard(ann, 'message_text');
  for (const socket of [annToo, bob, bobToo]) t.same(await heard(socket, 'message_text'), first);
  t.same(Object.keys(first).sort(), MESSAGE_KEYS);
  t.same(Object.keys(first).slice(0, 6), Object.keys(printed), 'in the order of the document');
  const { created_at, message_id, chat_id, ...rest } = first;
  t.match(created_at, MILLISECONDS);
  t.match([message_id, chat_id], [/^[1-9]\d*$/, /^[1-9]\d*$/], 'strings');
  const { created_at: _, ...sent } = { ...printed, status: 'sent' };
  t.same(rest, sent, 'the status is the present one, whatever was sent');
  for (const { type, ...frame } of ann.frames) t.same([type, Object.keys(frame)], ['message', ['data']]);

  bobToo.send(says('m-ann', 'back'));
  for (const socket of sockets) t.match(await heard(socket, 'back'), { sender_id: 'm-bob', chat_id });
  t.same(await pair.history('m-bob', 'm-ann'), framesOf(ann, 'message'), 'and as in the history');
  for (const socket of sockets) t.same(framesOf(socket, 'message'), framesOf(ann, 'message'));
});

t.test('any text comes back as it was sent', async (t) => {
  await pair.meet('t-ann', 't"bob\\é');
  const ann = await pair.join('t-ann', { t });
  const bob = await pair.join('t"bob\\é', { t });
  for (const text of ['"quotes" \\ \u0000 \u2028 </script> 日本 😀\n', ' x ', 'é'.repeat(8_192)]) {
    const sent = await pair.say(ann, 't"bob\\é', text);
    t.same(await heard(bob, text), sent);
    t.same((await pair.history('t-ann', 't"bob\\é')).at(-1), sent);
  }
});

t.test('a chat that is made while both are connected reaches them from its first message', async (t) => {
  await pair.meet('f-ann', 'f-bob');
  for (let i = 0; i < 5; i += 1) {
    const other = `f-bob-${i}`;
    await pair.meet(other);
    const ann = await pair.join('f-ann', { t });
    const bobs = [await pair.join(other, { t }), await pair.join(other, { t })];
    // Both ends write first, at the same time: there is one chat all the same.
    ann.send(says(other, 'from ann'));
    bobs[0]?.send(says('f-ann', 'from bob'));
    const chats = new Set<string>();
    for (const socket of [ann, ...bobs]) {
      chats.add((await heard(socket, 'from ann')).chat_id);
      chats.add((await heard(socket, 'from bob')).chat_id);
    }
    t.equal(chats.size, 1);
    const ids = framesOf<ChatMessage>(ann, 'message').map(({ message_id }) => message_id);
    for (const socket of bobs)
      t.same(
        framesOf<ChatMessage>(socket, 'message').map((one) => one.message_id),
        ids,
      );
  }
});

t.test('ref comes back to the sending socket alone, and stores a message once', async (t) => {
  await pair.meet('r-ann', 'r-bob', 'r-cy');
  const ann = await pair.join('r-ann', { t });
  const annToo = await pair.join('r-ann', { t });
  const bob = await pair.join('r-bob', { t });
  for (const ref of ['r1', 2, 0, 'ü"\\\n😀', 'r'.repeat(255)]) {
    const text = `with ${JSON.stringify(ref)}`;
    ann.send(says('r-bob', text, { ref }));
    const own = (await heard(ann, text)) as ChatMessage & { ref?: unknown };
    const { ref: back, ...rest } = own;
    t.equal(back, ref, 'as it was given');
    for (const other of [annToo, bob]) t.same(await heard(other, text), rest);
  }
  ann.send(says('r-bob', 'first', { ref: 'k' }));
  const first = await heard(ann, 'first');
  ann.send(says('r-bob', 'second try', { ref: 'k' }));
  t.same(await heard(ann, 'first'), first, 'the first message again, with the ref');
  annToo.send(says('r-bob', 'third try', { ref: 'k' }));
  await heard(annToo, 'first');
  t.same(await heard(annToo, 'first'), first, 'from another socket on another node too');
  ann.send(says('r-cy', 'to cy', { ref: 'k' }));
  t.not((await heard(ann, 'to cy')).message_id, first.message_id, 'another chat, another message');
  bob.send(says('r-ann', 'of bob', { ref: 'k' }));
  await heard(bob, 'of bob');
  for (const socket of [ann, annToo]) await heard(socket, 'of bob');
  t.same(texts(bob).slice(5), ['first', 'of bob'], 'the other end hears each once');
  t.equal((await pair.history('r-ann', 'r-bob')).length, 7);
});

t.test('sends of one socket keep their order, over chats and errors', async (t) => {
  await pair.meet('o-ann', 'o-bob', 'o-cy');
  const ann = await pair.join('o-ann', { t });
  const bob = await pair.join('o-bob', { t });
  for (let i = 0; i < 90; i += 1) {
    if (i % 10 === 9) ann.send(says('o-bob', ' ', { ref: i }));
    else ann.send(says(i % 3 === 0 ? 'o-cy' : 'o-bob', `m${i}`, { ref: i }));
  }
  await heard(ann, 'm88');
  await heard(bob, 'm88');
  await taken(ann);
  const toBob = Array.from({ length: 90 }, (_, i) => i).filter((i) => i % 10 !== 9 && i % 3 !== 0);
  t.same(
    texts(bob),
    toBob.map((i) => `m${i}`),
  );
  t.same(
    (await pair.history('o-bob', 'o-ann')).map(({ message }) => message),
    texts(bob),
  );
  t.same(
    framesOf(ann, 'error').map(({ ref }) => ref),
    [9, 19, 29, 39, 49, 59, 69, 79, 89],
  );
});

t.test('since: what came after the cursor, in all chats, once; then live', async (t) => {
  await pair.meet('s-ann', 's-bob', 's-cy', 's-new');
  const ann = await pair.join('s-ann', { t });
  const bob = await pair.join('s-bob', { t });
  const cy = await pair.join('s-cy', { t });
  for (let i = 0; i < 5; i += 1) await pair.say(ann, i % 2 === 0 ? 's-bob' : 's-cy', `before ${i}`);
  ann.send({ type: 'cursor' });
  const frame = await ann.nextOf('cursor');
  t.same(Object.keys(frame).sort(), ['cursor', 'type']);
  const cursor = frame.cursor as string;
  t.ok(cursor.length > 0 && cursor.length < 4_096);
  await ann.close();

  const fresh = await pair.join('s-new', { t });
  const missed = ['from bob', 'from cy', 'from somebody new'];
  await pair.say(bob, 's-ann', 'from bob');
  await pair.say(cy, 's-ann', 'from cy');
  await pair.say(fresh, 's-ann', 'from somebody new');
  const sockets: TestSocket[] = [];
  for (let round = 0; round < 2; round += 1) {
    const back = await pair.join('s-ann', { t, query: `?since=${encodeURIComponent(cursor)}` });
    for (const text of missed) t.same(Object.keys(await heard(back, text)).sort(), MESSAGE_KEYS);
    const live = `live ${round}`;
    await pair.say(bob, 's-ann', live);
    sockets.push(back);
    for (const each of sockets) await heard(each, live);
    t.same(texts(back).sort(), [...missed, ...(round === 0 ? [live] : ['live 0', live])].sort());
    t.equal(texts(back).length, new Set(texts(back)).size, 'nothing twice');
  }
  // Both nodes have come that far: to one that has not, it would not be old.
  const without = await pair.join('s-ann', { t });
  await pair.say(bob, 's-ann', 'the end');
  await heard(without, 'the end');
  t.same(texts(without), ['the end'], 'without since it begins with what comes');
});

t.test('a cursor that is none is refused; one that is too old starts over', async (t) => {
  await pair.meet('x-ann', 'x-bob');
  const token = await mintToken({ sub: 'x-ann' });
  for (const since of ['x', '', '12', '1.a', 'x'.repeat(4_000), '0123456789abcdef~0.1.x']) {
    t.equal(await pair.refused(`/ws/${token}?since=${since}`), 400, since.slice(0, 30));
  }
  const old = await pair.join('x-ann', { t, query: '?since=0123456789abcdef' });
  t.same(await old.next(), { type: 'reset' });
  const bob = await pair.join('x-bob', { t });
  await pair.say(bob, 'x-ann', 'goes on');
  await heard(old, 'goes on');
});

t.test('the token: in the path, or on /ws in the header, the query or the subprotocol', async (t) => {
  const token = await mintToken({ sub: 'w-ann' });
  const base = () => pair.next().wsUrl;
  const headers = { authorization: `Bearer ${token}` };
  const sockets = [
    await open(`${base()}/ws/${token}`, { t }),
    await open(`${base()}/ws/${token}/`, { t }),
    await open(`${base()}/ws`, { t, headers }),
    await open(`${base()}/ws/`, { t, headers }),
    await open(`${base()}/ws?token=${token}`, { t }),
    await open(`${base()}/ws`, { t, protocols: ['bearer', token] }),
  ];
  t.equal(sockets.at(-1)?.ws.protocol, 'bearer');
  await pair.meet('w-bob');
  await pair.say(sockets[0] as TestSocket, 'w-bob', 'hello');
  for (const socket of sockets.slice(1)) t.match(await heard(socket, 'hello'), { sender_id: 'w-ann' });

  const expired = await mintToken({ sub: 'w-ann' }, undefined, { expiresIn: '-1h' });
  const foreign = await mintToken({ sub: 'w-ann' }, 'another secret, just as long as the one of tests');
  for (const bad of ['abc', expired, foreign, `${token}x`, 'a'.repeat(5_000)]) {
    t.equal(await pair.refused(`/ws/${bad}`), 401, bad.slice(0, 20));
    t.equal(await pair.refused(`/ws?token=${bad}`), 401);
    t.equal(await pair.refused('/ws', { headers: { authorization: `Bearer ${bad}` } }), 401);
  }
  t.equal(await pair.refused('/ws'), 401, 'no token');
  t.equal(await pair.refused('/ws/abc', { headers }), 401, 'the one in the path counts');
  isError(t, await request('GET', `${pair.next().url}/ws/${token}`), 404, 'no upgrade');
  for (const node of pair.nodes) {
    // A line comes through a pipe, later than the answer.
    await until('requests are logged', () => node.logs().join().includes('/ws/[redacted]'));
    t.notOk(node.logs().join().includes(token), 'without their tokens');
  }
});

t.test('when the token expires the socket closes with 4401', async (t) => {
  const expiresIn = Math.floor(Date.now() / 1_000) + 2;
  const token = await mintToken({ sub: 'e-ann' }, undefined, { expiresIn });
  const socket = connect(`${pair.next().wsUrl}/ws/${token}`, { t });
  await socket.opened;
  t.equal((await socket.closed).code, 4401);
});

t.test('a third person gets nothing: no frame, no receipt, no chat', async (t) => {
  await pair.meet('p-ann', 'p-bob', 'p-eve');
  const ann = await pair.join('p-ann', { t });
  const bob = await pair.join('p-bob', { t });
  const eves = [await pair.join('p-eve', { t }), await pair.join('p-eve', { t })];
  const secret = await pair.say(ann, 'p-bob', 'between us');
  bob.send(receipt(secret, 'delivered'));
  await ann.nextOf('receipt_update');
  const unknown = { ...secret, message_id: '999999999' };
  const [eve, eveToo] = eves as [TestSocket, TestSocket];
  for (const status of ['delivered', 'read']) {
    for (const stop of [false, true]) {
      for (const user_id of [undefined, 'p-eve', 'p-bob']) {
        for (const message of [secret, unknown]) {
          const data = { ...dataOf(receipt(message, status, stop) as { data: object }), user_id };
          eve.send({ type: 'receipt_update', data });
          t.same(
            dataOf(await eve.nextOf('error')),
            { detail: 'message not found' },
            'the same words for both',
          );
        }
      }
    }
  }
  await taken(eve);
  await taken(eveToo);
  t.same((await pair.history('p-ann', 'p-bob'))[0]?.status, 'delivered', 'nothing changed');
  t.same(await pair.chats('p-eve'), []);
  for (const socket of eves) {
    t.ok(socket.frames.every(({ type }) => type === 'error' || type === 'cursor'));
    t.notOk(JSON.stringify(socket.frames).includes('between us'));
  }
});
