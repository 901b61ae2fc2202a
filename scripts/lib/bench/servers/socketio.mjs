/**
 * What a Node team builds: Socket.IO, a Redis adapter, and a stream for history. A message is answered by its own
 * frame, after it was stored; there is no authentication, no schema, no receipt and no limit.
 */

import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const { PORT = '0', REDIS_URL = '', ADAPTER = 'pubsub' } = process.env;
/** The streams adapter forgets events beyond this many: its default of 10,000 loses messages under load. */
const KEPT_EVENTS = 200_000;

const log = new Redis(REDIS_URL);
const adapter =
  ADAPTER === 'streams'
    ? createStreamsAdapter(new Redis(REDIS_URL), { maxLen: KEPT_EVENTS })
    : createAdapter(new Redis(REDIS_URL), new Redis(REDIS_URL));
const server = createServer((_, answer) => answer.end('ready'));
const io = new Server(server, { adapter, transports: ['websocket'], serveClient: false });

io.on('connection', (socket) => {
  const { room, user } = /** @type {{ room: string, user: string }} */ (socket.handshake.query);
  socket.on('text', async (text) => {
    const time = new Date().toISOString();
    const id = await log.xadd(`log:${room}`, '*', 'sender', user, 'text', text, 'time', time);
    io.to(room).emit('text', { id, room_id: room, user_id: user, content: text, created_at: time });
  });
  socket.join(room);
  socket.emit('joined');
});

process.once('SIGTERM', () => process.exit());
await log.ping();
server.listen(Number(PORT), '127.0.0.1');
