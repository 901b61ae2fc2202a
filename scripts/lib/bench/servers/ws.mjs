/**
 * The floors: bare `ws`, a channel per room, and nothing else. With LOG=script one script per message appends it to
 * a stream at the next number and publishes it; without, it is only published.
 */

import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

const APPEND = `
local n = redis.call('HINCRBY', KEYS[1], 'tip', 1)
redis.call('XADD', KEYS[2], '0-' .. n, 's', ARGV[2], 't', ARGV[3], 'c', ARGV[4])
local frame = '{"type":"text","id":"' .. n .. '","room_id":"' .. ARGV[1] .. '","user_id":"' .. ARGV[2]
  .. '","content":' .. cjson.encode(ARGV[3]) .. ',"created_at":"' .. ARGV[4] .. '"}'
redis.call('PUBLISH', KEYS[3], frame)
return n`;

const { PORT = '0', REDIS_URL = '', LOG = 'none' } = process.env;
const commands = new Redis(REDIS_URL, { scripts: { append: { lua: APPEND, numberOfKeys: 3 } } });
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

/** @param {string} room @param {string} user @param {string} text */
function append(room, user, text) {
  const keys = [`room:${room}`, `log:${room}`, room];
  const { append } = /** @type {{ append: (...args: string[]) => Promise<number> }} */ (
    /** @type {unknown} */ (commands)
  );
  return append.call(commands, ...keys, room, user, text, new Date().toISOString());
}

const send = LOG === 'script' ? append : publish;

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
