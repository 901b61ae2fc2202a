/** A cursor covers what the client was sent before it, and nothing past that, however long the server takes to make it. */

import t from 'tap';
import { startNode } from '../helpers/node.js';
import { startProxy } from '../helpers/proxy.js';
import { startRedis } from '../helpers/redis.js';
import { type Frame, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { onlyOn } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const SLOW_MS = 100;
const EVERY_MS = 10;
const OPTIONS = onlyOn('one', 'a proxy stands before the one server');

/** How a user socket of a document speaks. */
interface Speech {
  readonly path: string;
  readonly ask: Frame;
  isCursor(frame: Frame): boolean;
  /** The text of a message; undefined: the frame is none. */
  textOf(frame: Frame): unknown;
}

const SPEECHES: Record<string, Speech> = {
  skillarena: {
    path: '/ws',
    ask: { type: 'cursor' },
    isCursor: (frame) => frame.type === 'cursor',
    textOf: (frame) => (frame.type === 'message' ? (frame.data as Frame).message : undefined),
  },
  netrox: {
    path: '/ws/chat/room/',
    ask: { action: 'cursor' },
    isCursor: (frame) => frame.action === 'cursor',
    textOf: (frame) => (frame.action === 're_message' ? frame.message_body : undefined),
  },
};

const textsIn = (speech: Speech, frames: readonly Frame[]) =>
  frames.map((frame) => speech.textOf(frame)).filter((text) => text !== undefined);

t.test('a cursor that is asked for amid messages, for the first time and again', OPTIONS, async (t) => {
  const redis = await startRedis(t);
  const proxy = await startProxy(t, redis.port);
  const slow = await startNode(t, { REDIS_URL: proxy.url });
  const node = await startNode(t, { REDIS_URL: redis.url, SOCKET_RATE: '0' });
  const [ada, bob] = await Promise.all([mintToken({ sub: 'ada' }), mintToken({ sub: 'bob' })]);
  const sender = await open(`${node.wsUrl}/ws/${ada}`, { t });
  await (await open(`${node.wsUrl}/ws/${bob}`, { t })).close();
  proxy.delayMs = SLOW_MS;

  for (const [name, speech] of Object.entries(SPEECHES)) {
    const join = (since = '') =>
      open(`${slow.wsUrl}${speech.path}?token=${bob}${since && `&since=${since}`}`, { t });
    let sent = 0;
    const talk = setInterval(() => {
      sender.send({ type: 'message', data: { receiver_id: 'bob', message: `${name} ${sent}` } });
      sent += 1;
    }, EVERY_MS);
    t.teardown(() => clearInterval(talk));

    const seen: unknown[] = [];
    let socket: TestSocket = await join();
    for (let round = 0; round < 3; round += 1) {
      await until('it is live', () => textsIn(speech, socket.frames).length > 5);
      socket.send(speech.ask);
      const frame = await socket.next(speech.isCursor);
      await sleep(SLOW_MS);
      seen.push(...textsIn(speech, socket.frames.slice(0, socket.frames.indexOf(frame))));
      socket.terminate();
      socket = await join(encodeURIComponent(String(frame.cursor)));
    }
    clearInterval(talk);
    const last = () => textsIn(speech, socket.frames).at(-1);
    await until('the last one has come', () => last() === `${name} ${sent - 1}`, 30_000);
    seen.push(...textsIn(speech, socket.frames));
    const first = Number(String(seen[0]).split(' ')[1]);
    const all = Array.from({ length: sent - first }, (_, i) => `${name} ${first + i}`);
    t.strictSame(seen, all, `${name}: each once, in order`);
    socket.terminate();
  }
});
