import { roomUuid } from '../ids.js';
import { errorOf, type Frame, messageOf, objectOf, readCommon, refOf, type Speech } from '../speech.js';

/** One conversation a socket, with people or with the AI agent, which can be watched as it types. */
export const conversations: Speech = {
  name: 'conversations',
  wide: false,
  path: (_, room) => `/api/conversations/${roomUuid(room)}/connect`,
  probe: (_, room) => `/api/conversations/${roomUuid(room)}?limit=1`,
  message: ({ text }, ref) => ({ message: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame) {
    if (frame.message_id !== undefined) {
      return { kind: 'messages', messages: [conversationsMessage(frame)], ref: refOf(frame.ref) };
    }
    if (frame.error !== undefined) {
      const { message, status } = objectOf(frame.error);
      const later = Number(status) >= 500 || Number(status) === 429;
      return errorOf(message, frame, later);
    }
    return readCommon(frame);
  },
};

/** A message as this document's frames and histories have it. */
export function conversationsMessage(frame: Frame) {
  const { message_id: id, sender_id: sender, message: text, timestamp: at, attachments } = frame;
  return messageOf({ id, sender, text, at, attachments });
}
