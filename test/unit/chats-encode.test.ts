/** Frames of the chats document that no request of it can bring about by itself. */

import t from 'tap';
import type { EphemeralEvent, Message, Room } from '../../src/core/model.js';
import { bareProfile } from '../../src/core/model.js';
import { encoder, messageJson, userBody } from '../../src/dialects/chats/encode.js';

const room: Room = { id: 4, kind: 'direct', name: '', createdMs: 0, participants: ['1', 'bob'] };
const message: Message = {
  room: 4,
  offset: 2,
  nonce: 'n',
  sender: 'bob',
  text: '',
  attachments: [{ file: 'f-"1"', name: 'a "b".png', size: 7, contentType: 'image/png' }],
  createdMs: Date.UTC(2025, 4, 10, 15, 35, 21, 999),
  via: 'skillarena',
};
const sender = userBody(bareProfile('bob'));

t.test('a message with files shows them, in lists and in frames', async (t) => {
  const shown = {
    id: 22,
    sender,
    content: '',
    timestamp: '2025-05-10T15:35:21Z',
    is_read: true,
    attachments: [{ name: 'a "b".png', url: 'f-"1"', size: 7, content_type: 'image/png' }],
  };
  t.same(JSON.parse(messageJson(message, JSON.stringify(sender), true)), shown);
  const context = { room, profile: bareProfile('bob'), live: false, status: 'read' as const };
  t.same(JSON.parse(encoder.message(message, context) as string), { type: 'message', ...shown });
  const delivered = { ...context, status: 'delivered' as const };
  t.same(JSON.parse(encoder.own(message, delivered, 'r"') as string), {
    type: 'message',
    ...shown,
    is_read: false,
    ref: 'r"',
  });
});

t.test('of all events only reading is told, to everybody', async (t) => {
  const read: EphemeralEvent = {
    kind: 'receipt',
    user: '1',
    status: 'read',
    offset: 2,
    sender: 'bob',
    via: 'netrox',
  };
  const others: EphemeralEvent[] = [
    { ...read, status: 'delivered' },
    { kind: 'presence', user: '1', change: 'joined', atMs: 0 },
    { kind: 'delta', anew: false, text: 'so' },
    { kind: 'announce', message },
  ];
  for (const user of room.participants) {
    t.equal(encoder.wants(read, user), true);
    for (const event of others) t.equal(encoder.wants(event, user), false, event.kind);
  }
  t.same(JSON.parse(encoder.event(read, room) as string), { type: 'read', message_id: 22, user_id: 1 });
});
