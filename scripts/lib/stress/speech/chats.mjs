import { namesUser } from '../ids.mjs';

/** The chats document, as a client speaks it. @type {import('../client.mjs').Speech} */
export const chats = {
  name: 'chats',
  wide: false,
  echoes: true,
  target: ({ room }) => `/ws/chat/${room}/`,
  message: ({ text, ref }) => ({ type: 'message', content: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame, user) {
    if (frame.type === 'message') {
      const { id, content, ref } = frame;
      const sender = /** @type {{ id: unknown }} */ (frame.sender);
      return { live: true, messages: [{ id, text: String(content), ref, mine: namesUser(sender.id, user) }] };
    }
    if (frame.type === 'error') return { error: { detail: String(frame.detail), ref: frame.ref } };
    if (frame.type === 'cursor') return { cursor: String(frame.cursor) };
    return frame.type === 'reset' ? { reset: true } : {};
  },
};
