/** The socket of the rooms document: its own example, every frame, and who hears what. */

import { runInNewContext } from 'node:vm';
import t from 'tap';
import { WebSocket } from 'ws';
import { keys } from '../../src/redis/keys.js';
import { request } from '../helpers/http.js';
import type { TestNode } from '../helpers/node.js';
import { DECIMAL, framesOf, heard, MESSAGE_KEYS, SECONDS, shown, startPair } from '../helpers/rooms.js';
import { open } from '../helpers/socket.js';
import { until } from '../helpers/wait.js';

const pair = await startPair(t);

/** As printed, but for the address and the room: those are made when the test runs. */
const EXAMPLE = `
const ws = new WebSocket('ws://localhost:8000/api/v1/ws/room123/user123');

ws.onmessage = (event) => {
    const data = JSON.parse(event.data);
    console.log('Received:', data);
};

ws.onopen = () => {
    ws.send(JSON.stringify({
        type: 'text',
        content: 'Hello!',
        user_id: 'user123'
    }));
};
`;

t.test("the document's JavaScript example runs as printed", async (t) => {
  const room = await pair.room('General Chat');
  const source = EXAMPLE.replace('localhost:8000', `127.0.0.1:${pair.next().port}`).replace('room123', room);
  const received: Record<string, unknown>[] = [];
  const sockets: WebSocket[] = [];
  class Listed extends WebSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  t.teardown(() => sockets.forEach((socket) => void socket.terminate()));
  const console = { log: (_: string, data: Record<string, unknown>) => received.push(data) };
  runInNewContext(source, { WebSocket: Listed, console, JSON });
  await until('the example hears itself', () => received.length >= 2);
  t.same(received[0], { type: 'history', messages: [] });
  t.match(received[1], { type: 'text', content: 'Hello!', user_id: 'user123', room_id: room });
  t.equal(received.length, 2);
  const user = await pair.api('GET', '/users/user123');
  t.match(user.body, { id: 'user123', username: 'user123', created_at: SECONDS }, 'created on the spot');
  t.match(await pair.messages(room), [{ content: 'Hello!', user_id: 'user123' }], 'and stored');
});

t.test('a text reaches everyone on every node, the sender too, the same', async (t) => {
  const room = await pair.room();
  const sockets = [];
  for (const user of ['ann', 'ann', 'bob', 'bob', 'cy', 'cy']) {
    sockets.push(await pair.join(room, user, '', { t }));
  }
  const elsewhere = await pair.join(await pair.room(), 'ann', '', { t });
  sockets[0]?.send({ type: 'text', content: 'to all', user_id: 'ann' });
  sockets[5]?.send({ type: 'text', content: 'without a user id' });
  const viaHttp = await pair.say(room, 'dee', 'by HTTP');
  for (const socket of sockets) {
    for (const content of ['to all', 'without a user id', 'by HTTP']) await heard(socket, content);
  }
  const stored = await pair.messages(room);
  t.equal(stored.length, 3);
  t.ok(stored.some(({ id }) => id === viaHttp.id));
  for (const socket of sockets) {
    const texts = framesOf(socket, 'text');
    t.same(texts, stored, 'once, in the order of the log, with the same ids and times');
    for (const text of texts) {
      t.same(Object.keys(text).sort(), MESSAGE_KEYS);
      t.match(text.id, DECIMAL);
      t.match(text.created_at, SECONDS);
    }
  }
  t.same(framesOf(elsewhere, 'text'), [], 'another room hears nothing');
});

t.test('what is sent by HTTP and what is sent live have one form', async (t) => {
  const room = await pair.room();
  const socket = await pair.join(room, 'x:y|z/é😀', '', { t });
  const odd = '"quotes" \\ \u0000 \u2028 </script> é 日本 😀\n';
  socket.send({ type: 'text', content: odd, user_id: 'x:y|z/é😀', colour: 'red', __proto__: { a: 1 } });
  const frame = await heard(socket, odd);
  const { type, ...rest } = frame;
  t.same([{ ...rest, type }], await pair.messages(room));
  t.equal(frame.user_id, 'x:y|z/é😀');
  const longest = 'é'.repeat(8192);
  // As escapes, six bytes for each two of text, it is the longest frame that a client may need.
  socket.send(`{"type":"text","content":"${'\\u00e9'.repeat(8192)}"}`);
  t.equal((await heard(socket, longest)).content, longest);
  const byNumber = await pair.join(room, '77', '', { t });
  byNumber.send({ type: 'text', content: 'a number', user_id: 77 });
  t.equal((await heard(byNumber, 'a number')).user_id, '77');
});

t.test('a socket begins with the history: the newest, oldest first', async (t) => {
  const room = await pair.room();
  const empty = await open(pair.socketUrl(room, 'ann'), { t });
  t.same(await empty.next(), { type: 'history', messages: [] });
  const sent = [];
  for (let i = 1; i <= 53; i += 1) sent.push(await pair.say(room, 'writer', `m${i}`));
  await heard(empty, 'm53'); // a node that reads the room already may be a little behind
  for (const path of [pair.socketUrl(room, 'ann'), `${pair.socketUrl(room, 'bob')}/`]) {
    const socket = await open(path, { t });
    const first = await socket.next();
    t.same(Object.keys(first).sort(), ['messages', 'type']);
    t.same(first, { type: 'history', messages: sent.slice(3) });
  }
});

t.test('HISTORY_ON_CONNECT says how much history', async (t) => {
  for (const n of [3, 0]) {
    const few = await startPair(t, { HISTORY_ON_CONNECT: String(n) });
    const room = await few.room();
    const sent = [];
    for (let i = 1; i <= 5; i += 1) sent.push(await few.say(room, 'writer', `m${i}`));
    const socket = await open(few.socketUrl(room, 'ann'), { t });
    t.same(await socket.next(), { type: 'history', messages: sent.slice(5 - n) });
    await few.say(room, 'writer', 'live');
    await heard(socket, 'live');
    t.equal(shown(socket).length, n + 1);
  }
});

t.test('joined and left: once per user, to the others, over all sockets and nodes', async (t) => {
  const room = await pair.room();
  const [a, b] = pair.nodes;
  const url = (node: typeof a, user: string): string => `${node.wsUrl}/api/v1/ws/${room}/${user}`;
  const watcher = await open(url(a, 'watcher'), { t });
  const second = await open(url(b, 'second'), { t });
  await watcher.nextOf('system');

  const first = await open(url(a, 'ann'), { t });
  const joined = await watcher.nextOf('system');
  t.same(Object.keys(joined).sort(), ['content', 'timestamp', 'type']);
  t.equal(joined.content, 'User ann joined the chat');
  t.match(joined.timestamp, SECONDS);
  t.equal((await second.next((frame) => frame.content === joined.content)).timestamp, joined.timestamp);

  // More sockets of the same user are silent, on whichever node, coming and going.
  const more = [
    await open(url(a, 'ann'), { t }),
    await open(url(b, 'ann'), { t }),
    await open(url(b, 'ann'), { t }),
  ];
  for (const socket of more) await socket.nextOf('history');
  await first.close();
  await more[0]?.close();
  await more[1]?.close();
  const bob = await open(url(b, 'bob'), { t });
  await watcher.next((frame) => frame.content === 'User bob joined the chat');
  await bob.close();
  await watcher.next((frame) => frame.content === 'User bob left the chat');
  await more[2]?.close();
  await watcher.next((frame) => frame.content === 'User ann left the chat');
  await open(url(b, 'ann'), { t });
  await watcher.next((frame) => frame.content === 'User ann joined the chat');
  const said = framesOf(watcher, 'system').map((frame) =>
    (frame.content as string).split(' ').slice(1, 3).join(' '),
  );
  t.same(said, ['second joined', 'ann joined', 'bob joined', 'bob left', 'ann left', 'ann joined']);
  t.same(framesOf(first, 'system'), [], 'nobody hears of themselves');
  t.same(await pair.messages(room), [], 'none of it is a message');
});

t.test('who is cut off and comes back never left; who does not, did', async (t) => {
  const room = await pair.room();
  const watcher = await pair.join(room, 'watcher', '', { t });
  const back = await pair.join(room, 'back', '', { t });
  const gone = await pair.join(room, 'gone', '', { t });
  await watcher.next((frame) => frame.content === 'User back joined the chat');
  await watcher.next((frame) => frame.content === 'User gone joined the chat');
  back.terminate();
  gone.terminate();
  await Promise.all([back.closed, gone.closed]);
  await pair.join(room, 'back', '', { t });
  await watcher.next((frame) => frame.content === 'User gone left the chat', 30_000);
  t.equal(framesOf(watcher, 'system').length, 3, 'the one that came back was not mentioned');
});

t.test('who opens a socket on the other node and closes the first one was never gone', async (t) => {
  const room = await pair.room();
  const watcher = await pair.join(room, 'watcher', '', { t });
  const nodeOf = (moves: number) => pair.nodes[moves % 2] as TestNode;
  const url = (moves: number) => `${nodeOf(moves).wsUrl}/api/v1/ws/${room}/mover`;
  // `mover|<node>` for each node that counts them.
  const places = async () =>
    (await pair.redis.ask(`HKEYS ${keys.here(Number(room))}`)).match(/^mover\|\S+/gm) ?? [];
  let socket = await open(url(0), { t });
  await watcher.nextOf('system');
  let [place] = await places();
  for (let moves = 1; moves <= 20; moves += 1) {
    const next = await open(url(moves), { t });
    await socket.close();
    socket = next;
    place = await until('they are in the other place alone', async () => {
      const [first, ...more] = await places();
      return more.length === 0 && first !== place && first;
    });
    // What the node that they left asks next is answered after what it told: it is ready for their return.
    await request('GET', `${nodeOf(moves - 1).url}/api/v1/rooms/${room}/messages`);
  }
  await pair.join(room, 'last', '', { t });
  await watcher.next((frame) => frame.content === 'User last joined the chat');
  const said = framesOf(watcher, 'system').map(({ content }) => content);
  t.same(said, ['User mover joined the chat', 'User last joined the chat']);
});

t.test('above ROOM_PRESENCE_LIMIT people coming and going is not announced', async (t) => {
  const small = await startPair(t, { ROOM_PRESENCE_LIMIT: '2' });
  const room = await small.room();
  const watcher = await small.join(room, 'watcher', '', { t });
  await small.join(room, 'two', '', { t });
  await watcher.next((frame) => frame.content === 'User two joined the chat');
  const three = await small.join(room, 'three', '', { t });
  three.send({ type: 'text', content: 'I am here' });
  await heard(watcher, 'I am here');
  await three.close();
  await small.say(room, 'four', 'the end');
  await heard(watcher, 'the end');
  t.equal(framesOf(watcher, 'system').length, 1);
});

t.test('a room is its id, not its name; a plain request of a socket path is 404', async (t) => {
  for (const room of ['0', '01', '999999', 'abc', '%20', '7061726c-616e-8001-8000-000000000001']) {
    t.equal(await pair.refused(`/ws/${room}/ann`), 404, room);
  }
  t.equal(await pair.refused('/ws'), 404);
  t.equal(await pair.refused('/nothing'), 404);
  const room = await pair.room();
  t.equal(await pair.refused(`/ws/${room}`), 404);
  t.equal(await pair.refused(`/ws/${room}/${'u'.repeat(256)}`), 400, 'no user id');
  t.equal(await pair.refused(`/ws/${room}/%zz`), 404);
  t.equal(await pair.refused('/rooms'), 404, 'a path without a socket');
  const plain = await request('GET', `${pair.next().url}/api/v1/ws/${room}/ann`);
  t.same([plain.status, Object.keys(plain.body)], [404, ['detail']]);
});
