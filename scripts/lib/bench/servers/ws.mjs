/**
 * The floors: bare `ws`, a channel per room, and nothing else. With LOG=script one script per message appends it to
 * a stream at the next number and publishes it; with LOG=batch one call of it does so for the messages of a turn of the
 * event loop; without, they are only published.
 */

import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

/** ARGV: room, user, text and time of each message. */
const APPEND = `
for i = 1, #ARGV, 4 do
  local room, user, text, time = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local n = redis.call('HINCRBY', 'room:' .. room, 'tip', 1)
  redis.call('XADD', 'log:' .. room, '0-' .. n, 's', user, 't', text, 'c', time)
  local frame = '{"type":"text","id":"' .. n .. '","room_id":"' .. room .. '","user_id":"' .. user
    .. '","content":' .. cjson.encode(text) .. ',"created_at":"' .. time .. '"}'
  redis.call('PUBLISH', room, frame)
end`;
/** Arguments of one call, four to a message: as many messages as Parlance puts into one. */
const MOST_ARGS = 4 * 64;

const { PORT = '0', REDIS_URL = '', LOG = 'none' } = process.env;
const commands = new Redis(REDIS_URL, { scripts: { append: { lua: APPEND, numberOfKeys: 0 } } });
const subscriber = new Redis(REDIS_URL);
/** @type {Map<string, { sockets: Set<import('ws').WebSocket>, joined: Promise<unknown> }>} */
const rooms = new Map();
let sent = 0;

/** @param {string} room @param {string} user @param {string} text */
function publish(room, user, text) {
  sent += 1;
  const frame = {
    type: 'text',
    id: `${process.pid}-${sent}`,
    room_id: room,
    user_id: user,
    content: text,
    created_at: new Date().toISOString(),
  };
  return commands.publish(room, JSON.stringify(frame));
}

/** @param {string[]} args @returns {Promise<unknown>} */
function callAppend(args) {
  const { append } = /** @type {{ append: (...args: string[]) => Promise<unknown> }} */ (
    /** @type {unknown} */ (commands)
  );
  return append.call(commands, ...args);
}

/** @param {string} room @param {string} user @param {string} text */
function append(room, user, text) {
  return callAppend([room, user, text, new Date().toISOString()]);
}

/** @type {string[]} */
let waiting = [];

/** @param {string} room @param {string} user @param {string} text */
function appendTogether(room, user, text) {
  if (waiting.length === 0) setImmediate(flush);
  waiting.push(room, user, text, new Date().toISOString());
}

function flush() {
  const args = waiting;
  waiting = [];
  for (let at = 0; at < args.length; at += MOST_ARGS) void callAppend(args.slice(at, at + MOST_ARGS));
}

const send = { none: publish, script: append, batch: appendTogether }[LOG] ?? publish;

subscriber.on('messageBuffer', (/** @type {Buffer} */ channel, /** @type {Buffer} */ frame) => {
  for (const socket of rooms.get(channel.toString())?.sockets ?? []) socket.send(frame, { binary: false });
});

/** @param {string} name */
function roomOf(name) {
  const room = rooms.get(name) ?? { sockets: new Set(), joined: subscriber.subscribe(name) };
  rooms.set(name, room);
  return room;
}

const server = createServer((_, answer) => answer.end('ready'));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });

sockets.on('connection', async (socket, request) => {
  const query = new URL(request.url ?? '/', 'http://localhost').searchParams;
  const name = query.get('room') ?? '';
  const user = query.get('user') ?? '';
  socket.on('error', () => undefined);
  socket.on('message', (data) => {
    const { content } = JSON.parse(data.toString());
    void send(name, user, content);
  });
  const room = roomOf(name);
  room.sockets.add(socket);
  socket.once('close', () => {
    room.sockets.delete(socket);
    if (room.sockets.size > 0) return;
    rooms.delete(name);
    void subscriber.unsubscribe(name);
  });
  await room.joined;
  socket.send('{"type":"joined"}');
});

process.once('SIGTERM', () => process.exit());
await commands.ping();
server.listen(Number(PORT), '127.0.0.1');
