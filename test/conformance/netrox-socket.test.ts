/** The netrox socket: messages, acknowledgements, what is seen, resuming, and who may connect. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { heard, SOCKET_TIME, settled, startPair } from '../helpers/netrox.js';
import type { Frame } from '../helpers/socket.js';
import { connect } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';

const pair = await startPair(t);

const MESSAGE_KEYS = ['message_body', 'sender_id', 'receiver_id', 'timestamp', 'created_msg_id', 'action'];
const say = (to: { id: string | number }, text: string, more: object = {}): object => ({
  action: 'chat_message',
  message_body: text,
  receiver_id: to.id,
  ...more,
});
const texts = (frames: readonly Frame[]): unknown[] => frames.map((frame) => frame.message_body);

t.test("the document's example, to all sockets of both but the one that sent it", async (t) => {
  const ann = await pair.person('96bf0d3f-720d-4620-8dee-0f59f997cb51');
  const bob = await pair.person('87c8b8e2-3efc-4a4a-b667-1f9c0d7e8437');
  const cid = await pair.socket(t, await pair.person('example-cid'));
  const sending = await pair.socket(t, ann);
  const others = await Promise.all([ann, ann, bob, bob].map((person) => pair.socket(t, person)));
  sending.send(
    '{"action": "chat_message", "message_body": "hello", "receiver_id": "87c8b8e2-3efc-4a4a-b667-1f9c0d7e8437"}',
  );
  for (const socket of others) {
    const frame = await heard(socket, 'hello');
    t.same(Object.keys(frame), MESSAGE_KEYS);
    t.match(frame.timestamp, SOCKET_TIME);
    t.ok(Number.isSafeInteger(frame.created_msg_id));
    t.same(frame, {
      message_body: 'hello',
      sender_id: ann.id,
      receiver_id: bob.id,
      timestamp: frame.timestamp,
      created_msg_id: frame.created_msg_id,
      action: 're_message',
    });
    t.same(await settled(socket), [frame], 'once, and nothing else');
  }
  t.same(await settled(sending), []);
  t.same(await settled(cid), []);

  const [back, first] = [others[2], others[0]] as const;
  back?.send(say(ann, 'and back'));
  t.match(await heard(sending, 'and back'), { sender_id: bob.id, receiver_id: ann.id });
  if (first) await heard(first, 'and back');
  if (back) t.same(texts(await settled(back)), ['hello']);
  t.same(await settled(cid), []);
});

t.test(
  'ref: an acknowledgement to the sending socket, and one message however often it is sent',
  async (t) => {
    const [ann, bob] = await pair.couple('ref');
    const sending = await pair.socket(t, ann);
    const other = await pair.socket(t, ann);
    const receiving = await pair.socket(t, bob);
    for (const ref of ['a ref', 7, 0]) {
      sending.send(say(bob, `with ${ref}`, { ref }));
      const ack = await sending.next((frame) => frame.action === 'ack' && frame.ref === ref);
      t.same(Object.keys(ack), ['action', 'ref', 'created_msg_id', 'timestamp']);
      const frame = await heard(receiving, `with ${ref}`);
      t.equal(frame.created_msg_id, ack.created_msg_id);
      t.equal(frame.timestamp, ack.timestamp);
      t.notOk('ref' in frame);
      t.notOk('ref' in (await heard(other, `with ${ref}`)));

      // Again, through the other node too, and with another text: the first message is the answer.
      for (const socket of [sending, other]) {
        socket.send(say(bob, 'repeated', { ref }));
        t.same(await socket.next((again) => again.action === 'ack'), ack);
      }
    }
    t.same(
      (await pair.messages(bob, ann.id)).map(({ message }) => message),
      ['with a ref', 'with 7', 'with 0'],
    );
    t.equal((await settled(receiving)).length, 3);
  },
);

t.test('order: what one socket sends at once arrives once and as it was sent', async (t) => {
  const [ann, bob] = await pair.couple('order');
  const sending = await pair.socket(t, ann);
  const receiving = await pair.socket(t, bob);
  const sent = Array.from({ length: 90 }, (_, i) => `n${i}`);
  for (const text of sent) sending.send(say(bob, text));
  await heard(receiving, sent.at(-1) as string);
  t.same(texts(receiving.frames), sent);
  t.same(
    (await pair.messages(ann, bob.id)).map(({ message }) => message),
    sent,
  );
});

t.test('ids: receivers in any form, and integer-like ones written as UUIDs', async (t) => {
  await pair.person('41');
  const socket = await pair.socket(t, await pair.person('40'));
  const receiving = await pair.socket(t, await pair.person('41'));
  for (const id of ['41', 41, formatUuid('user', 41)]) {
    socket.send(say({ id }, `to ${id}`));
    const frame = await heard(receiving, `to ${id}`);
    t.equal(frame.sender_id, formatUuid('user', 40));
    t.equal(frame.receiver_id, formatUuid('user', 41));
  }
});

t.test('a first message reaches a socket that was open before there was a thread, once', async (t) => {
  for (let i = 0; i < 5; i += 1) {
    const [ann, bob] = await pair.couple(`first${i}`);
    const [a, b] = await Promise.all([pair.socket(t, ann), pair.socket(t, bob)]);
    // Both at once: one thread all the same.
    a.send(say(bob, 'from ann', { ref: 1 }));
    b.send(say(ann, 'from bob', { ref: 1 }));
    await Promise.all([heard(a, 'from bob'), heard(b, 'from ann')]);
    await Promise.all([a, b].map((socket) => socket.next((frame) => frame.action === 'ack')));
    t.equal((await settled(a)).length, 2);
    t.equal((await settled(b)).length, 2);
    const threads = await pair.api<unknown[]>('/chat/get-user-threads/', { token: ann.token });
    t.equal(threads.body.entity.length, 1);
  }
});

t.test('messages of other documents arrive, with the same id and time', async (t) => {
  const [ann, bob] = await pair.couple('others');
  const sockets = [await pair.socket(t, ann), await pair.socket(t, bob)];
  const said = await pair.core.say({ from: ann.id, to: bob.id, text: 'from elsewhere', via: 'chats' });
  for (const socket of sockets) {
    t.match(await heard(socket, 'from elsewhere'), {
      created_msg_id: foldMessageId(said.room, said.offset),
      timestamp: new Date(said.createdMs).toISOString().replace('Z', '000+00:00'),
      action: 're_message',
    });
  }
});

t.test('message_seen: one message, by its receiver; acknowledged when it has a ref', async (t) => {
  const [ann, bob] = await pair.couple('seen');
  const cid = await pair.person('seen-cid');
  const said = [];
  for (const text of ['one', 'two', 'three']) {
    said.push(await pair.core.say({ from: ann.id, to: bob.id, text, via: 'netrox' }));
  }
  const [one, two, three] = said.map(({ room, offset }) => foldMessageId(room, offset)) as [
    number,
    number,
    number,
  ];
  const seen = async (): Promise<unknown[]> =>
    (await pair.messages(ann, bob.id)).map((message) => message.seen);
  const socket = await pair.socket(t, bob);
  const senders = await pair.socket(t, ann);

  socket.send({ action: 'message_seen', chat_id: two, ref: 'r' });
  const ack = await socket.next((frame) => frame.action === 'ack');
  t.match(ack, { ref: 'r', created_msg_id: two, timestamp: SOCKET_TIME });
  t.same(await seen(), [false, true, false], 'that one only');
  socket.send({ action: 'message_seen', chat_id: String(one) });
  socket.send({ action: 'message_seen', chat_id: two });
  t.same(await settled(socket), [ack], 'silent without a ref');
  t.same(await seen(), [true, true, false]);

  senders.send({ action: 'message_seen', chat_id: three, ref: 1 });
  await senders.next((frame) => frame.action === 'ack');
  t.same(await seen(), [true, true, false], "one's own changes nothing");
  const stranger = await pair.socket(t, cid);
  stranger.send({ action: 'message_seen', chat_id: three, ref: 2 });
  stranger.send({ action: 'message_seen', chat_id: 2 ** 53 - 1, ref: 3 });
  const refused = await stranger.next((frame) => frame.ref === 2);
  t.same(
    { ...(await stranger.next((frame) => frame.ref === 3)), ref: 2 },
    refused,
    'as if it were not there',
  );
  t.same(refused, { action: 'error', message: 'message not found', ref: 2 });
  t.same(await seen(), [true, true, false]);
});

t.test('cursor and since: what was missed, in all threads, new ones too, then live', async (t) => {
  const [ann, bob] = await pair.couple('resume');
  const cid = await pair.person('resume-cid');
  await pair.core.say({ from: ann.id, to: bob.id, text: 'old', via: 'netrox' });
  const first = await pair.socket(t, bob);
  await pair.core.say({ from: ann.id, to: bob.id, text: 'before', via: 'netrox' });
  await heard(first, 'before');
  first.send({ action: 'cursor' });
  const answer = await first.next((frame) => frame.action === 'cursor');
  t.same(Object.keys(answer), ['action', 'cursor']);
  const cursor = answer.cursor as string;
  t.ok(typeof cursor === 'string' && cursor.length < 4_096);
  await first.close();

  await pair.core.say({ from: ann.id, to: bob.id, text: 'missed', via: 'netrox' });
  await pair.core.say({ from: bob.id, to: ann.id, text: 'my own', via: 'chats' });
  await pair.core.say({ from: cid.id, to: bob.id, text: 'new thread', via: 'netrox' });
  const back = await Promise.all(
    [1, 2].map(() => pair.socket(t, bob, `&since=${encodeURIComponent(cursor)}`)),
  );
  for (const socket of back)
    await Promise.all(['missed', 'my own', 'new thread'].map((text) => heard(socket, text)));
  await pair.core.say({ from: ann.id, to: bob.id, text: 'live', via: 'netrox' });
  for (const socket of back) {
    await heard(socket, 'live');
    const got = texts(await settled(socket));
    t.same(
      got.filter((text) => text !== 'new thread'),
      ['missed', 'my own', 'live'],
    );
    t.equal(got.length, 4);
  }
  // Both nodes have come that far: to one that has not, it would not be old.
  t.same(await settled(await pair.socket(t, bob)), [], 'nothing old without since');

  for (const bad of ['x', '', '5', `${cursor}~x`, 'a'.repeat(5_000)]) {
    t.equal(await pair.refused(`?token=${bob.token}&since=${bad}`), 400, bad);
  }
  const unknown = await pair.socket(t, bob, `&since=${'A'.repeat(16)}`);
  t.same(await unknown.next(), { action: 'reset' }, 'too old');
});

t.test('who may connect: token in the query, the header or the subprotocol; else 401', async (t) => {
  const ann = await pair.person('upgrade');
  const header = { authorization: `Bearer ${ann.token}` };
  const good = [
    connect(pair.url(`?token=${ann.token}`), { t }),
    connect(pair.url('').replace(/\/$/, `?token=${ann.token}`), { t }),
    connect(pair.url(), { t, headers: header }),
    connect(pair.url(), { t, protocols: ['bearer', ann.token] }),
  ];
  for (const socket of good) t.equal(await socket.upgradeStatus, 101);
  t.equal(good[3]?.ws.protocol, 'bearer');
  const expired = await mintToken({ sub: 'upgrade' }, undefined, { expiresIn: '-1m' });
  const forged = await mintToken({ sub: 'upgrade' }, 'another secret, and long enough for HS256');
  for (const query of ['', '?token=', '?token=x', `?token=${expired}`, `?token=${forged}`, '?since=x']) {
    t.equal(await pair.refused(query), 401, query);
  }
});

t.test('a token that expires closes with 4401', async (t) => {
  const token = await mintToken({ sub: 'brief' }, undefined, { expiresIn: '2s' });
  const socket = connect(pair.url(`?token=${token}`), { t });
  await socket.opened;
  t.equal((await socket.closed).code, 4401);
});

t.test('too many frames: errors, then 4429', async (t) => {
  const socket = await pair.socket(t, await pair.person('hasty'));
  const frame = { action: 'message_seen', chat_id: 1, ref: 'hasty' };
  for (let i = 0; i < 5_000; i += 1) socket.send(frame);
  t.equal((await socket.closed).code, 4429);
  const refused = { action: 'error', message: 'too many messages', ref: 'hasty' };
  t.ok(socket.frames.some((one) => JSON.stringify(one) === JSON.stringify(refused)));
});
