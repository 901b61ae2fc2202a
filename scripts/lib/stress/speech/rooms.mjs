/** The rooms document, as a client speaks it. @type {import('../client.mjs').Speech} */
export const rooms = {
  name: 'rooms',
  wide: false,
  echoes: true,
  target: ({ room, user }) => `/api/v1/ws/${room}/${encodeURIComponent(user)}`,
  message: ({ text, ref }) => ({ type: 'text', content: text, ref }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame, user) {
    if (frame.type === 'text') return { live: true, messages: [body(frame, user)] };
    if (frame.type === 'history') {
      const messages = /** @type {Record<string, unknown>[]} */ (frame.messages);
      return { messages: messages.map((message) => body(message, user)) };
    }
    if (frame.type === 'error') return { error: { detail: String(frame.detail), ref: frame.ref } };
    if (frame.type === 'cursor') return { cursor: String(frame.cursor) };
    return frame.type === 'reset' ? { reset: true } : {};
  },
};

/** @param {Record<string, unknown>} message @param {string} user */
function body({ id, content, user_id, ref }, user) {
  return { id, text: String(content), ref, mine: user_id === user };
}
