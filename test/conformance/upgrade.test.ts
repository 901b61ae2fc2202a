/** Requests that offer another protocol: one that is not ours is not taken up, and the request is answered all the same. */

import { connect, type Socket } from 'node:net';
import t from 'tap';
import { startPair } from '../helpers/rooms.js';
import { until } from '../helpers/wait.js';

const pair = await startPair(t, { ROOMS_AUTH: 'trusted' });
const room = await pair.room('a room');

/** What comes back on one connection, as it comes. */
class Line {
  text = '';
  closed = false;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port });
    this.#socket.on('data', (chunk) => {
      this.text += chunk.toString();
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.closed = true;
    });
    t.teardown(() => this.#socket.destroy());
  }

  say(head: string[], body = ''): void {
    this.#socket.write(`${[...head, 'host: here', '', ''].join('\r\n')}${body}`);
  }

  statuses(): string[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status as string);
  }
}

const offer = (protocol: string) => [
  'connection: Upgrade, HTTP2-Settings',
  `upgrade: ${protocol}`,
  'http2-settings: AAMAAABkAAQCAAAAAAIAAAAA',
];
const messageOf = (content: string) => JSON.stringify({ user_id: 'ann', content, type: 'text' });

t.test('an offer of another protocol is no obstacle', async (t) => {
  for (const protocol of ['h2c', 'TLS/1.0, HTTP/2.0', 'websocket2']) {
    const line = new Line(pair.next().port);
    line.say(['GET /api/v1/rooms HTTP/1.1', ...offer(protocol)]);
    await until('the answer', () => line.statuses().length === 1);
    const body = messageOf(`with ${protocol}`);
    const json = ['content-type: application/json', `content-length: ${body.length}`];
    line.say([`POST /api/v1/rooms/${room}/messages HTTP/1.1`, ...json, ...offer(protocol)], body);
    await until('the next one, on the same connection', () => line.statuses().length === 2);
    line.say(['GET /no/such/path HTTP/1.1', ...offer(protocol)]);
    await until('the last one', () => line.statuses().length === 3);
    t.same(line.statuses(), ['200', '200', '404'], protocol);
    t.match(line.text, `with ${protocol}`);
    t.equal(line.closed, false);
  }
});

t.test('a request that needs a socket is told so', async (t) => {
  const line = new Line(pair.next().port);
  line.say([`GET /api/v1/ws/${room}/ann HTTP/1.1`, ...offer('h2c')]);
  await until('the answer', () => line.statuses().length === 1);
  t.same(line.statuses(), ['404']);
});

t.test('a tunnel is not opened', async (t) => {
  const line = new Line(pair.next().port);
  line.say(['CONNECT elsewhere:80 HTTP/1.1']);
  await until('the end', () => line.closed);
  t.equal(line.text, '');
});

t.test('a WebSocket still is', async (t) => {
  const ann = await pair.join(room, 'ann', '', { t });
  ann.send({ type: 'text', content: 'here' });
  t.match(await ann.nextOf('text'), { content: 'here' });
});
