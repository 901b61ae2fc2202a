import { type Frame, messageOf, objectOf, readCommon, refOf, type Speech, timeOf } from '../speech.js';

/** One room a socket; the only document with public rooms. It begins with the newest messages. */
export const rooms: Speech = {
  name: 'rooms',
  wide: false,
  path: (user, room) => `/api/v1/ws/${room}/${encodeURIComponent(user)}`,
  probe: (_, room) => `/api/v1/rooms/${room}`,
  message: ({ text }, ref) => ({ type: 'text', content: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame) {
    switch (frame.type) {
      case 'text':
        return { kind: 'messages', messages: [roomsMessage(frame)], ref: refOf(frame.ref) };
      case 'history': {
        const page = Array.isArray(frame.messages) ? frame.messages : [];
        return { kind: 'messages', messages: page.map((message) => roomsMessage(objectOf(message))) };
      }
      case 'system':
        return { kind: 'presence', text: String(frame.content), at: timeOf(frame.timestamp) };
      default:
        return readCommon(frame);
    }
  },
};

/** A message as this document's frames and histories have it. */
export function roomsMessage(frame: Frame) {
  const { id, user_id: sender, content: text, created_at: at, attachments } = frame;
  return messageOf({ id, sender, text, at, attachments });
}
