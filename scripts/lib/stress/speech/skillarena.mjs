/** The skillarena document, as a client speaks it. @type {import('../client.mjs').Speech} */
export const skillarena = {
  name: 'skillarena',
  wide: true,
  echoes: true,
  target: ({ token }) => `/ws/${token}`,
  message: ({ text, ref, to }) => ({ type: 'message', data: { receiver_id: to, message: text, ref } }),
  askCursor: () => ({ type: 'cursor' }),
  read(frame, user) {
    const data = /** @type {Record<string, unknown>} */ (frame.data ?? {});
    if (frame.type === 'message') {
      const { message_id, message, sender_id, ref } = data;
      return {
        live: true,
        messages: [{ id: message_id, text: String(message), ref, mine: sender_id === user }],
      };
    }
    if (frame.type === 'receipt_update') return { receipt: data };
    if (frame.type === 'error') return { error: { detail: String(data.detail), ref: data.ref } };
    if (frame.type === 'cursor') return { cursor: String(frame.cursor) };
    return frame.type === 'reset' ? { reset: true } : {};
  },
};
