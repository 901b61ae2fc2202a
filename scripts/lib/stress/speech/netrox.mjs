import { namesUser } from '../ids.mjs';

/** The netrox document, as a client speaks it. @type {import('../client.mjs').Speech} */
export const netrox = {
  name: 'netrox',
  wide: true,
  echoes: false,
  target: () => '/ws/chat/room/',
  message: ({ text, ref, to }) => ({ action: 'chat_message', message_body: text, receiver_id: to, ref }),
  askCursor: () => ({ action: 'cursor' }),
  read(frame, user) {
    if (frame.action === 're_message') {
      const { created_msg_id: id, message_body, sender_id } = frame;
      return { live: true, messages: [{ id, text: String(message_body), mine: namesUser(sender_id, user) }] };
    }
    if (frame.action === 'ack') return { ack: { ref: frame.ref, id: frame.created_msg_id } };
    if (frame.action === 'error') return { error: { detail: String(frame.message), ref: frame.ref } };
    if (frame.action === 'cursor') return { cursor: String(frame.cursor) };
    return frame.action === 'reset' ? { reset: true } : {};
  },
};
