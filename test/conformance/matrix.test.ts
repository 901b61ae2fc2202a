/** One world behind five documents: what is written in one is read in every other, by those two people and nobody else. */

import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { request } from '../helpers/http.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { type Frame, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { startAnyRedis } from '../helpers/topology.js';
import type { Owner } from '../helpers/wait.js';

const DIALECTS = ['skillarena', 'netrox', 'chats', 'conversations', 'rooms'] as const;
type Name = (typeof DIALECTS)[number];

const ALICE = '101';
const BOB = '102';
const CAROL = '103';
const uuid = (user: string) => formatUuid('user', Number(user));

/** A message as all documents have it: its number, its text, its second. */
interface Seen {
  readonly id: number;
  readonly text: string;
  readonly second: string;
}

/** How a document shows the same three things. */
interface Shape {
  readonly id: (message: Frame) => unknown;
  readonly idOf: (id: number) => unknown;
  readonly text: string;
  readonly time: string;
}

const decimal = (id: number) => String(id);
const HISTORY: Record<Name, Shape> = {
  skillarena: { id: (m) => m.message_id, idOf: decimal, text: 'message', time: 'created_at' },
  netrox: { id: (m) => m.id, idOf: Number, text: 'message', time: 'created' },
  chats: { id: (m) => m.id, idOf: Number, text: 'content', time: 'timestamp' },
  conversations: {
    id: (m) => m.message_id,
    idOf: (id) => formatUuid('message', id),
    text: 'message',
    time: 'timestamp',
  },
  rooms: { id: (m) => m.id, idOf: decimal, text: 'content', time: 'created_at' },
};
const LIVE: Record<Name, Shape & { readonly is: (frame: Frame) => boolean }> = {
  ...HISTORY,
  skillarena: { ...HISTORY.skillarena, is: (f) => f.type === 'message' },
  netrox: {
    id: (f) => f.created_msg_id,
    idOf: Number,
    text: 'message_body',
    time: 'timestamp',
    is: (f) => f.action === 're_message',
  },
  chats: { ...HISTORY.chats, is: (f) => f.type === 'message' },
  conversations: { ...HISTORY.conversations, is: (f) => f.message_id !== undefined },
  rooms: { ...HISTORY.rooms, is: (f) => f.type === 'text' },
};

const bodyOf = (name: Name, frame: Frame) => (name === 'skillarena' ? (frame.data as Frame) : frame);
const sameSecond = (time: unknown, second: string) => String(time).slice(0, 19) === second.slice(0, 19);

interface World {
  readonly nodes: [TestNode, TestNode];
  readonly tokens: Record<string, string>;
  readonly chat: number;
}

async function startWorld(t: Owner): Promise<World> {
  const redis = await startAnyRedis(t);
  const env = { ...redis.env, SOCKET_RATE: '0', RECEIPT_RESEND_MS: '0' };
  const nodes: [TestNode, TestNode] = [await startNode(t, env), await startNode(t, env)];
  const tokens: Record<string, string> = {};
  for (const user of [ALICE, BOB, CAROL]) {
    tokens[user] = await mintToken({ sub: user, email: `${user}@example.com` });
    await request('GET', `${nodes[0].url}/chat_history`, { token: tokens[user] as string });
  }
  const started = await request<{ id: number }>('POST', `${nodes[0].url}/chat/chats/start/`, {
    token: tokens[ALICE] as string,
    body: { user_id: Number(BOB) },
  });
  return { nodes, tokens, chat: started.body.id };
}

/** The addresses of a person's sockets; `chat` where the socket reads one conversation. */
function socketPaths(user: string, token: string, chat: number): Record<Name, string> {
  const conversation = formatUuid('room', chat);
  return {
    skillarena: `/ws/${token}`,
    netrox: `/ws/chat/room/?token=${token}`,
    chats: `/ws/chat/${chat}/?token=${token}`,
    conversations: `/api/conversations/${conversation}/connect?token=${token}`,
    rooms: `/api/v1/ws/${chat}/${user}?token=${token}`,
  };
}

function historyPaths(other: string, chat: number): Record<Name, string> {
  return {
    skillarena: `/chat_history/${other}`,
    netrox: `/chat/messages/${uuid(other)}/`,
    chats: `/chat/chats/${chat}/messages/`,
    conversations: `/api/conversations/${formatUuid('room', chat)}`,
    rooms: `/api/v1/rooms/${chat}/messages`,
  };
}

const inOne = (name: Name, body: unknown): Frame[] =>
  name === 'netrox' ? (body as { entity: { messages: Frame[] } }).entity.messages : (body as Frame[]);

/** Alice writes `text` to Bob through one document. */
async function write(
  name: Name,
  text: string,
  world: World,
  sockets: Record<Name, TestSocket>,
): Promise<void> {
  const { nodes, tokens, chat } = world;
  const post = (path: string, body: unknown) =>
    request('POST', `${nodes[0].url}${path}`, { token: tokens[ALICE] as string, body });
  if (name === 'skillarena') {
    sockets.skillarena.send({ type: 'message', data: { receiver_id: BOB, message: text, attachments: [] } });
  } else if (name === 'netrox') {
    sockets.netrox.send({ action: 'chat_message', message_body: text, receiver_id: uuid(BOB) });
  } else if (name === 'chats') {
    t.equal((await post(`/chat/chats/${chat}/messages/`, { content: text })).status, 201);
  } else if (name === 'conversations') {
    const body = { conversation_id: formatUuid('room', chat), sender_id: uuid(ALICE), message: text };
    t.equal((await post('/api/messages/', body)).status, 200);
  } else {
    const body = { content: text, user_id: ALICE, type: 'text' };
    t.equal((await post(`/api/v1/rooms/${chat}/messages`, body)).status, 200);
  }
}

async function openAll(
  t: Owner,
  node: TestNode,
  paths: Record<Name, string>,
): Promise<Record<Name, TestSocket>> {
  const opened = await Promise.all(DIALECTS.map((name) => open(`${node.wsUrl}${paths[name]}`, { t })));
  return Object.fromEntries(DIALECTS.map((name, i) => [name, opened[i]])) as Record<Name, TestSocket>;
}

t.test('25 pairs of documents: live, and in history, with the same text, id and time', async (t) => {
  const world = await startWorld(t);
  const { nodes, tokens, chat } = world;
  const alice = await openAll(t, nodes[0], socketPaths(ALICE, tokens[ALICE] as string, chat));
  const bob = await openAll(t, nodes[1], socketPaths(BOB, tokens[BOB] as string, chat));
  const stranger = await Promise.all(
    [`/ws/${tokens[CAROL]}`, `/ws/chat/room/?token=${tokens[CAROL]}`].map((path) =>
      open(`${nodes[1].wsUrl}${path}`, { t }),
    ),
  );
  const written: Seen[] = [];
  for (const writer of DIALECTS) {
    const text = `written through ${writer}: "<&>" \u00e9 \u{1f600}`;
    await write(writer, text, world, alice);
    const first = await bob.chats.next((frame) => frame.content === text, 15_000);
    const seen: Seen = { id: first.id as number, text, second: first.timestamp as string };
    written.push(seen);
    for (const reader of DIALECTS) {
      const shape = LIVE[reader];
      const frame =
        reader === 'chats'
          ? first
          : bodyOf(
              reader,
              await bob[reader].next((f) => shape.is(f) && bodyOf(reader, f)[shape.text] === text, 15_000),
            );
      t.equal(frame[shape.text], text, `${writer} > ${reader} live: text`);
      t.equal(shape.id(frame), shape.idOf(seen.id), `${writer} > ${reader} live: id`);
      t.ok(sameSecond(frame[shape.time], seen.second), `${writer} > ${reader} live: time`);
    }
  }
  for (const [i, reader] of DIALECTS.entries()) {
    const path = historyPaths(ALICE, chat)[reader];
    const answer = await request('GET', `${nodes[i % 2]?.url}${path}`, { token: tokens[BOB] as string });
    t.equal(answer.status, 200, `${reader} answers`);
    const history = inOne(reader, answer.body);
    const shape = HISTORY[reader];
    t.same(
      history.map((message) => [shape.id(message), message[shape.text]]),
      written.map(({ id, text }) => [shape.idOf(id), text]),
      `${reader} has all of them, in order, once`,
    );
    t.ok(
      history.every((message, k) => sameSecond(message[shape.time], written[k]?.second ?? '')),
      `${reader} has their times`,
    );
    const live = bob[reader].frames.filter((frame) => LIVE[reader].is(frame));
    t.equal(live.length, DIALECTS.length, `${reader} showed each once`);
  }
  t.same(
    stranger.map((socket) => socket.frames),
    [[], []],
    'nobody else hears a word',
  );
});

t.test('a third person cannot tell the chat from one that does not exist', async (t) => {
  const world = await startWorld(t);
  const { nodes, tokens, chat } = world;
  const token = tokens[CAROL] as string;
  const sent = await request<{ id: number }>('POST', `${nodes[0].url}/chat/chats/${chat}/messages/`, {
    token: tokens[ALICE] as string,
    body: { content: 'between us' },
  });
  const missing = chat + 1_000;
  const requests = (room: number, message: number): [string, string, unknown?][] => [
    ['GET', `/chat/chats/${room}/`],
    ['GET', `/chat/chats/${room}/messages/`],
    ['POST', `/chat/chats/${room}/messages/`, { content: 'let me in' }],
    ['PATCH', `/chat/messages/${message}/read/`],
    ['GET', `/api/conversations/${formatUuid('room', room)}`],
    ['POST', `/api/conversations/${formatUuid('room', room)}/connect`],
    ['POST', '/api/messages/', { conversation_id: formatUuid('room', room), message: 'let me in' }],
    ['GET', `/api/v1/rooms/${room}`],
    ['GET', `/api/v1/rooms/${room}/messages`],
    ['POST', `/api/v1/rooms/${room}/messages`, { content: 'let me in', user_id: CAROL, type: 'text' }],
  ];
  const real = requests(chat, sent.body.id);
  const unreal = requests(missing, missing * missing + missing + 1);
  for (const [i, [method, path, body]] of real.entries()) {
    const url = nodes[i % 2]?.url as string;
    const theirs = await request(method, `${url}${path}`, { token, body });
    const [, nowhere, same] = unreal[i] as [string, string, unknown?];
    const none = await request(method, `${url}${nowhere}`, { token, body: same });
    t.equal(theirs.status, 404, `${method} ${path}`);
    t.same(theirs.body, none.body, 'in the same words as for one that does not exist');
  }
  const paths = socketPaths(CAROL, token, chat);
  for (const name of ['chats', 'conversations', 'rooms'] as const) {
    const socket = open(`${nodes[1].wsUrl}${paths[name]}`, { t });
    await t.rejects(socket, /404/, `${name}: no socket`);
  }
  t.same(
    (await request('GET', `${nodes[0].url}/chat_history`, { token })).body,
    [],
    'skillarena lists nothing',
  );
  t.same((await request('GET', `${nodes[0].url}/chat/chats/`, { token })).body, []);
  t.same((await request('GET', `${nodes[0].url}/api/conversations`, { token })).body, []);
  t.same((await request('GET', `${nodes[0].url}/api/v1/rooms`, { token })).body, []);
  const threads = await request('GET', `${nodes[0].url}/chat/get-user-threads/`, { token });
  t.same((threads.body as { entity: unknown }).entity, []);
});
