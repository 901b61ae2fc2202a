import { expect } from '../http.mjs';
import { namesUser, uuidOf } from '../ids.mjs';

let connects = 0;

/** The conversations document, as a client speaks it; every second connection has a ticket. @type {import('../client.mjs').Speech} */
export const conversations = {
  name: 'conversations',
  wide: false,
  echoes: true,
  async target({ room, token, base }) {
    const path = `/api/conversations/${uuidOf('room', Number(room))}/connect`;
    connects += 1;
    if (connects % 2 === 0) return path;
    const { websocket_url } = await expect('POST', `${base}${path}`, { token });
    const { pathname, search } = new URL(websocket_url, base);
    return `${pathname}${search}`;
  },
  message: ({ text, ref }) => ({ message: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame, user) {
    if (frame.message_id !== undefined) {
      const { message_id: id, message, sender_id, ref } = frame;
      return { live: true, messages: [{ id, text: String(message), ref, mine: namesUser(sender_id, user) }] };
    }
    if (frame.error) {
      const { message } = /** @type {{ message: unknown }} */ (frame.error);
      return { error: { detail: String(message), ref: frame.ref } };
    }
    if (frame.type === 'cursor') return { cursor: String(frame.cursor) };
    return frame.type === 'reset' ? { reset: true } : {};
  },
};
