/** Frames of the skillarena socket that are not as they should be. */

import t, { type Test } from 'tap';
import { foldMessageId } from '../../src/core/ids.js';
import {
  type ChatMessage,
  dataOf,
  framesOf,
  heard,
  receipt,
  says,
  startPair,
  taken,
} from '../helpers/skillarena.js';
import type { Frame, TestSocket } from '../helpers/socket.js';

const pair = await startPair(t);

type Sent = object | string | Buffer;
/** Each with the `ref` that its error repeats, where it has one. */
type Case = [what: string, frame: Sent, ref?: string | number];

/** What the server answers to one frame. */
async function answers(socket: TestSocket, frame: Sent): Promise<Frame[]> {
  const before = socket.frames.length;
  socket.send(frame);
  await taken(socket);
  return socket.frames.slice(before, -1);
}

/** Sends each, and expects one error frame for it, in the documented shape. */
async function expectErrors(test: Test, socket: TestSocket, cases: readonly Case[]): Promise<void> {
  for (const [what, frame, ref] of cases) {
    const came = await answers(socket, frame);
    test.equal(came.length, 1, `${what}: ${JSON.stringify(came)}`);
    const { type, data, ...rest } = (came[0] ?? {}) as { type?: string; data?: Frame };
    test.same([type, rest], ['error', {}], what);
    const { detail, ...more } = data ?? {};
    test.ok(typeof detail === 'string' && detail !== '', what);
    test.same(more, ref === undefined ? {} : { ref }, what);
  }
}

const message = (more: object) => ({ type: 'message', data: { receiver_id: 'bob', message: 'a', ...more } });

const MALFORMED: Case[] = [
  ['not JSON', 'hello'],
  ['nothing', ''],
  ['half of an object', '{"type":"message","data":{"receiver_id":"bob","message":"a"}'],
  ['an array', [message({})]],
  ['a number', '1'],
  ['null', 'null'],
  ['deep nesting', '['.repeat(50_000)],
  ['bytes', Buffer.from(JSON.stringify(message({})))],
  ['no bytes', Buffer.alloc(0)],
  ['no type', { data: { receiver_id: 'bob', message: 'a' } }],
  ['an unknown type', { ...message({ ref: 'u' }), type: 'shout' }, 'u'],
  ['a type that is no string', { ...message({}), type: ['message'] }],
  ['a type in capitals', { ...message({}), type: 'MESSAGE' }],
  ['a type of the server', { ...message({}), type: 'error' }],
  ['the prototype set', '{"__proto__":{"type":"message","data":{"receiver_id":"bob","message":"a"}}}'],
  ['no data', { type: 'message' }],
  ['data null', { type: 'message', data: null }],
  ['data an array', { type: 'message', data: ['bob', 'a'] }],
  ['data as text', { type: 'message', data: JSON.stringify(message({}).data) }],
  ['data beside data', { type: 'message', receiver_id: 'bob', message: 'a', ref: 'outside' }, 'outside'],
  ['a receipt without data', { type: 'receipt_update' }],
];

const MESSAGES: Case[] = [
  ['no receiver', says(undefined, 'a', { ref: 'r1' }), 'r1'],
  ['a receiver of null', says(null, 'a')],
  ['an empty receiver', says('', 'a')],
  ['an unknown receiver', says('nobody at all', 'a', { ref: 7 }), 7],
  ['a receiver that is no user id', says('x'.repeat(300), 'a')],
  ['a receiver in a list', says(['bob'], 'a')],
  ['a receiver that is an object', says({ id: 'bob' }, 'a')],
  ['a receiver that is no whole number', says(1.5, 'a')],
  ['a receiver below zero', says(-1, 'a')],
  ['oneself', says('ann', 'a', { ref: 0 }), 0],
  ["another's sender_id", message({ sender_id: 'bob', ref: 's' }), 's'],
  ['a sender_id of null', message({ sender_id: null })],
  ['no text', says('bob', undefined)],
  ['text null', says('bob', null)],
  ['text a number', says('bob', 5)],
  ['text an object', says('bob', { toString: 'a' })],
  ['text empty', says('bob', '')],
  ['text blank', says('bob', ' \t\r\n\u00a0\u2003')],
  ['text too long', says('bob', 'x'.repeat(16_385), { ref: 'long' }), 'long'],
  ['text too long in bytes', says('bob', 'é'.repeat(8_193))],
  ['half a character', '{"type":"message","data":{"receiver_id":"bob","message":"\\ud83d"}}'],
  ['blank text to a person without a chat', says('cy', ' ')],
  ['a ref that is an object', message({ ref: {} })],
  ['a ref that is true', message({ ref: true })],
  ['a ref that is no whole number', message({ ref: 1.5 }), 1.5],
  ['an empty ref', message({ ref: '' }), ''],
  ['a long ref', message({ ref: 'r'.repeat(256) }), 'r'.repeat(256)],
  ['attachments null', message({ attachments: null })],
  ['attachments as text', message({ attachments: 'a.png', ref: 'a' }), 'a'],
  ['attachments as an object', message({ attachments: { 0: 'a.png', length: 1 } })],
  ['attachments that are no strings', message({ attachments: [1] })],
  ['attachments with a hole', message({ attachments: ['a.png', null] })],
  ['an attachment that nobody uploaded', message({ attachments: ['/mediafiles/attachments/a.png'] })],
  ['blank text with such an attachment', says('cy', '', { attachments: ['a.png'] })],
];

t.test('a bad frame gets one error frame, stores nothing, and nobody else hears of it', async (t) => {
  await pair.meet('ann', 'bob', 'cy');
  const ann = await pair.join('ann', { t });
  const others = [await pair.join('ann', { t }), await pair.join('bob', { t }), await pair.join('cy', { t })];
  await expectErrors(t, ann, [...MALFORMED, ...MESSAGES]);
  for (const user of ['ann', 'bob', 'cy']) t.same(await pair.chats(user), [], 'not even an empty chat');
  ann.send(says('bob', 'still open', { attachments: [], ref: null, sender_id: 'ann' }));
  t.notOk('ref' in (await heard(ann, 'still open')));
  for (const socket of others.slice(0, 2)) await heard(socket, 'still open');
  t.equal((await pair.history('ann', 'bob')).length, 1);
  t.same(
    others.map((socket) => socket.frames.length),
    [1, 1, 0],
  );
});

t.test('a bad receipt gets one error frame, marks nothing, and the sender hears nothing', async (t) => {
  await pair.meet('rd', 're', 'rf');
  const dee = await pair.join('rd', { t });
  const eve = await pair.join('re', { t });
  const sent = await pair.say(dee, 're', 'for eve');
  await heard(eve, 'for eve');
  const elsewhere = await pair.say(dee, 'rf', 'for somebody else');
  const own = await pair.say(eve, 'rd', 'by eve');
  const but = (more: object, from: ChatMessage = sent, stop = false) => {
    const data = dataOf(receipt(from, 'read', stop) as Frame);
    return { type: 'receipt_update', data: { ...data, ...more } };
  };
  const beyond = String(foldMessageId(Number(sent.chat_id), 1_000));
  const zero = String(foldMessageId(Number(sent.chat_id), 0));
  await expectErrors(t, eve, [
    ['no message', but({ message_id: undefined, ref: 'm' }), 'm'],
    ['a message of null', but({ message_id: null })],
    ['a message in a list', but({ message_id: [sent.message_id] })],
    ['an id that is none', but({ message_id: 'abc' })],
    ['an id with a zero before it', but({ message_id: `0${sent.message_id}` })],
    ['a message that is not there', but({ message_id: beyond })],
    ['offset 0', but({ message_id: zero })],
    ['message 0', but({ message_id: '0' })],
    ['a huge id', but({ message_id: String(Number.MAX_SAFE_INTEGER) })],
    ['a message of a chat of others', but({}, elsewhere)],
    ['no status', but({ status: undefined })],
    ['status sent', but({ status: 'sent', ref: 5 }), 5],
    ['status in capitals', but({ status: 'READ' })],
    ['status in a list', but({ status: ['read'] })],
    ['status of the prototype', but({ status: 'constructor' })],
    ['the chat of another message', but({ chat_id: elsewhere.chat_id })],
    ['a chat that is none', but({ chat_id: 'x' })],
    ['a chat of null', but({ chat_id: null })],
    ["the sender's user_id", but({ user_id: 'rd' })],
    ["another's user_id", but({ user_id: 'rf' })],
    ['a user_id of null', but({ user_id: null })],
    ['stop as a number', but({ stop: 1 })],
    ['stop null', but({ stop: null })],
    ['stop as another word', but({ stop: 'yes' })],
    ['stop in capitals', but({ stop: 'True' })],
    ["one's own message", but({ user_id: 're' }, own)],
    ["one's own message without a user_id", but({ user_id: undefined }, own)],
    ["the end of another's loop", but({ user_id: 'rd' }, sent, true)],
    ["the end of another's loop without a user_id", but({ user_id: undefined }, sent, true)],
    ["the end of another's loop by the receiver", but({}, sent, true)],
    ["the end of one's own loop with one's own user_id", but({ user_id: 're' }, own, true)],
    ['the end of a loop for no message', but({ message_id: beyond, user_id: undefined }, sent, true)],
  ]);
  await taken(dee);
  t.same(framesOf(dee, 'receipt_update'), []);
  for (const one of await pair.history('rd', 're')) t.equal(one.status, 'sent');
  t.match(await pair.chats('re'), [{ unread_count: 1 }]);
});

t.test('a frame too big closes with 1009', async (t) => {
  await pair.meet('big');
  const limit = 6 * 16_384 + 4_096;
  const fits = await pair.join('big', { t });
  t.equal((await answers(fits, ' '.repeat(limit)))[0]?.type, 'error', 'the largest frame is read');
  fits.send(' '.repeat(limit + 1));
  t.equal((await fits.closed).code, 1009);
});
