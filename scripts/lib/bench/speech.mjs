/** How a benchmark's client speaks to each system. Frames are told apart by single bytes at known places. */

/**
 * @typedef {object} Speech
 * @property {(member: import('./job.mjs').Member) => { path: string, headers: Record<string, string> }} target
 * @property {readonly string[]} greeting sent as soon as the socket is open
 * @property {(data: Buffer, from: number) => boolean} isLive whether this frame says that the socket is live
 * @property {(data: Buffer, from: number) => boolean} isMessage
 * @property {(data: Buffer, from: number, to: number) => string | undefined} answer what a control frame is answered with
 * @property {(text: string, to: string) => string} message `to`: the receiver, where people are addressed
 */

const TYPE = '{"type":"'.length;
const none = () => undefined;

/** Whether `word` stands at `at`. @param {Buffer} data @param {number} at @param {string} word */
function says(data, at, word) {
  for (let i = 0; i < word.length; i += 1) if (data[at + i] !== word.charCodeAt(i)) return false;
  return true;
}

/** @param {import('./job.mjs').Member} member */
const bearer = ({ token }) => ({ authorization: `Bearer ${token}` });

/** @type {Speech} */
const rooms = {
  target: (member) => ({ path: `/api/v1/ws/${member.room}/${member.user}`, headers: bearer(member) }),
  greeting: [],
  isLive: (data, from) => says(data, from + TYPE, 'history'),
  isMessage: (data, from) => says(data, from + TYPE, 'text"'),
  answer: none,
  message: (text) => `{"type":"text","content":"${text}"}`,
};

/** @type {Speech} */
const skillarena = {
  target: (member) => ({ path: '/ws', headers: bearer(member) }),
  greeting: ['{"type":"cursor"}'],
  isLive: (data, from) => says(data, from + TYPE, 'cursor'),
  isMessage: (data, from) => says(data, from + TYPE, 'message"'),
  answer: none,
  message: (text, to) => `{"type":"message","data":{"receiver_id":"${to}","message":"${text}"}}`,
};

/** The floors use the frames of the rooms document, without authentication or history. @type {Speech} */
const plain = {
  ...rooms,
  target: ({ room, user }) => ({ path: `/?room=${room}&user=${user}`, headers: {} }),
  isLive: (data, from) => says(data, from + TYPE, 'joined'),
};

/** Socket.IO over one WebSocket transport: Engine.IO's open (0), ping (2) and message (4) packets. @type {Speech} */
const socketio = {
  target: ({ room, user }) => ({
    path: `/socket.io/?EIO=4&transport=websocket&room=${room}&user=${user}`,
    headers: {},
  }),
  greeting: ['40'],
  isLive: (data, from) => says(data, from, '42["joined"'),
  isMessage: (data, from) => says(data, from, '42["text"'),
  answer: (data, from, to) => (to - from === 1 && says(data, from, '2') ? '3' : undefined),
  message: (text) => `42["text","${text}"]`,
};

/** @type {Record<string, Speech>} */
export const SPEECH = { rooms, skillarena, plain, socketio };
