/** Frames of the netrox socket that are not as they should be, and what a third person never learns. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { heard, settled, startPair } from '../helpers/netrox.js';

const pair = await startPair(t, { SOCKET_RATE: '0' });

const [ann, bob] = await pair.couple('frames');
const said = await pair.core.say({ from: bob.id, to: ann.id, text: 'a text', via: 'netrox' });
const spoken = foldMessageId(said.room, said.offset);
const elsewhere = await pair.core.say({ from: 'dan', to: bob.id, text: 'private', via: 'netrox' });
const hidden = foldMessageId(elsewhere.room, elsewhere.offset);
const publicRoom = await pair.core.rooms.createPublic('open');
const open = await pair.core.messages.send({
  room: publicRoom,
  sender: await pair.core.people.get(bob.id),
  text: 'in public',
  field: 'text',
  via: 'rooms',
});
const inPublic = foldMessageId(publicRoom.id, open.message.offset);

const text = (message_body: unknown, more: object = {}): object => ({
  action: 'chat_message',
  message_body,
  receiver_id: bob.id,
  ...more,
});
const to = (receiver_id: unknown, more: object = {}): object => text('a', { receiver_id, ...more });
const about = (action: string, chat_id: unknown, more: object = {}): object => ({ action, chat_id, ...more });

/** Each with the words of its error where a client may read them, and the `ref` that it repeats. */
const BAD: [
  what: string,
  frame: object | string | Buffer,
  words?: string | undefined,
  ref?: string | number,
][] = [
  ['not JSON', 'hello'],
  ['nothing', ''],
  ['an array', [text('a')]],
  ['a number', '1'],
  ['null', 'null'],
  ['a string', '"chat_message"'],
  ['no action', { message_body: 'a', receiver_id: bob.id }],
  ['an unknown action', text('a', { action: 'chat', ref: 'u' }), 'unknown action', 'u'],
  ['an action of the server', text('a', { action: 're_message' })],
  ['an action that is no string', text('a', { action: ['chat_message'] })],
  ['an action of the prototype', text('a', { action: 'constructor' })],
  ['a type, as other documents have', text('a', { action: undefined, type: 'message' })],
  ['no text', { action: 'chat_message', receiver_id: bob.id }],
  ['text null', text(null, { ref: 1 }), 'message_body must be a string', 1],
  ['text a number', text(5)],
  ['text an object', text({ a: 1 })],
  ['text empty', text('', { ref: 0 }), 'message_body must not be blank', 0],
  ['text blank', text(' \t\n\u00a0')],
  ['text too long', text('é'.repeat(8_193), { ref: 'l' }), undefined, 'l'],
  ['half a character', `{"action":"chat_message","message_body":"\\ud83d","receiver_id":"${bob.id}"}`],
  ['no receiver', { action: 'chat_message', message_body: 'a' }],
  ['receiver null', to(null)],
  ['receiver an array', to([bob.id])],
  ['receiver true', to(true)],
  ['receiver negative', to(-1)],
  ['receiver no whole number', to(1.5)],
  ['receiver unknown', to('nobody', { ref: 'n' }), 'Invalid receipient', 'n'],
  ['receiver an unknown number', to(4711), 'Invalid receipient'],
  ['receiver empty', to(''), 'Invalid receipient'],
  ['receiver a room', to(formatUuid('room', 1)), 'Invalid receipient'],
  ['receiver oneself', to(ann.id, { ref: 'me' }), 'Invalid receipient', 'me'],
  ['a blank text to nobody', to('nobody', { message_body: '' })],
  ['a ref that is an object', text('a', { ref: {} })],
  ['an empty ref', text('a', { ref: '' }), undefined, ''],
  ['a ref that is no whole number', text('a', { ref: 1.5 }), undefined, 1.5],
  ['bytes', Buffer.from(JSON.stringify(text('a')))],
  ...['message_seen', 'chat_message_file'].flatMap((action): typeof BAD => [
    [`${action}: no id`, about(action, undefined)],
    [`${action}: id null`, about(action, null)],
    [`${action}: id an object`, about(action, { id: spoken })],
    [`${action}: id no whole number`, about(action, 1.5)],
    [`${action}: id no number`, about(action, 'x', { ref: 'x' }), 'message not found', 'x'],
    [`${action}: id 0`, about(action, 0), 'message not found'],
    [`${action}: id of none`, about(action, spoken + 1_000_000), 'message not found'],
    [`${action}: id past 2^53`, about(action, '9007199254740993'), 'message not found'],
    [`${action}: id of a room`, about(action, formatUuid('room', said.room)), 'message not found'],
    [`${action}: in a thread of others`, about(action, hidden, { ref: 'h' }), 'message not found', 'h'],
    [`${action}: in a public room`, about(action, inPublic), 'message not found'],
  ]),
  [
    "another's message announced",
    about('chat_message_file', spoken),
    'only its sender may announce a message',
  ],
];

t.test('a bad frame gets one error frame, stores nothing, and nobody else hears of it', async (t) => {
  const socket = await pair.socket(t, ann);
  const receiving = await pair.socket(t, bob);
  for (const [what, frame, words, ref] of BAD) {
    const before = (await settled(socket)).length;
    socket.send(frame);
    const came = (await settled(socket)).slice(before);
    t.equal(came.length, 1, `${what}: ${JSON.stringify(came)}`);
    const { action, message, ...rest } = came[0] ?? {};
    t.equal(action, 'error', what);
    if (words === undefined) t.ok(typeof message === 'string' && message !== '', what);
    else t.equal(message, words, what);
    t.same(rest, ref === undefined ? {} : { ref }, what);
  }
  socket.send(text('still open'));
  await heard(receiving, 'still open');
  t.equal((await settled(receiving)).length, 1);
  const stored = await pair.messages(bob, ann.id);
  t.same(
    stored.map(({ message, seen }) => [message, seen]),
    [
      ['a text', false],
      ['still open', false],
    ],
  );
});

t.test('a message that is none leaves no thread behind', async (t) => {
  const [eve, fay] = await pair.couple('blank');
  const socket = await pair.socket(t, eve);
  for (const body of ['', ' ', null, 'x'.repeat(16_385)]) socket.send(text(body, { receiver_id: fay.id }));
  t.equal((await settled(socket)).length, 4);
  for (const { token } of [eve, fay]) {
    t.same((await pair.api('/chat/get-user-threads/', { token })).body.entity, []);
  }
});

t.test('text arrives as it was sent', async (t) => {
  const receiving = await pair.socket(t, bob);
  const socket = await pair.socket(t, ann);
  for (const body of [
    ' padded ',
    '"quoted" \\ and\nlines\u2028\u0000',
    '👩‍👩‍👧 ü 漢字',
    '<b>',
    'x'.repeat(16_384),
    '{"action":"x"}',
  ]) {
    socket.send(text(body));
    t.equal((await heard(receiving, body)).message_body, body);
    t.equal((await pair.messages(ann, bob.id, '?limit=1'))[0]?.message, body);
  }
});

t.test('a frame too big closes with 1009', async (t) => {
  const socket = await pair.socket(t, ann);
  socket.send(' '.repeat(6 * 16_384 + 4_097));
  t.equal((await socket.closed).code, 1009);
});

t.test('a third person: no thread, no message, no frame', async (t) => {
  const cid = await pair.person('third');
  const socket = await pair.socket(t, cid);
  const receiving = await pair.socket(t, bob);
  const sending = await pair.socket(t, ann);
  sending.send(text('between us', { ref: 1 }));
  const { created_msg_id } = await heard(receiving, 'between us');
  receiving.send(about('message_seen', created_msg_id, { ref: 2 }));
  await receiving.next((frame) => frame.action === 'ack');
  await pair.core.say({ from: bob.id, to: cid.id, text: 'for you', via: 'chats' });
  await heard(socket, 'for you');
  t.equal((await settled(socket)).length, 1, 'what is theirs, and nothing else');
  const theirs = (await pair.api<unknown[]>('/chat/get-user-threads/', { token: cid.token })).body.entity;
  t.equal(theirs.length, 1);
  t.same(await pair.messages(cid, ann.id), []);
  t.equal((await pair.messages(cid, bob.id)).length, 1);
});
