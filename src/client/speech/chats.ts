import { plainId } from '../ids.js';
import { type Frame, messageOf, objectOf, readCommon, refOf, type Speech } from '../speech.js';

/** One chat a socket, with read marks. */
export const chats: Speech = {
  name: 'chats',
  wide: false,
  path: (_, room) => `/ws/chat/${room}/`,
  probe: (_, room) => `/chat/chats/${room}/`,
  message: ({ text }, ref) => ({ type: 'message', content: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame) {
    if (frame.type === 'message') {
      return { kind: 'messages', messages: [chatsMessage(frame)], ref: refOf(frame.ref) };
    }
    if (frame.type === 'read') {
      const receipt = {
        message: plainId(frame.message_id),
        by: plainId(frame.user_id),
        status: 'read',
      } as const;
      return { kind: 'receipt', receipt, frame };
    }
    return readCommon(frame);
  },
};

/** A message as this document's frames and histories have it. It tells whether it was read, and nothing in between. */
export function chatsMessage(frame: Frame) {
  const { id, content: text, timestamp: at, attachments, is_read } = frame;
  const sender = objectOf(frame.sender).id;
  return messageOf({ id, sender, text, at, attachments, status: is_read === true ? 'read' : 'sent' });
}
