/** Two nodes on one Redis, and the rooms API through both of them in turn. */

import type { Test } from 'tap';
import { type Answer, type RequestOptions, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import type { RedisOptions } from './redis.js';
import { type ConnectOptions, connect, type Frame, open, type TestSocket } from './socket.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

/** A message as the document shows it. */
export interface RoomMessage {
  id: string;
  room_id: string;
  user_id: string;
  content: string;
  type: string;
  created_at: string;
}

export const MESSAGE_KEYS = ['content', 'created_at', 'id', 'room_id', 'type', 'user_id'];
export const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
export const DECIMAL = /^[1-9]\d*$/;

/** Two nodes behind nothing: each call goes to the other one than the last. */
export class Pair {
  readonly redis: AnyRedis;
  readonly nodes: readonly [TestNode, TestNode];
  #turn = 0;

  constructor(redis: AnyRedis, nodes: readonly [TestNode, TestNode]) {
    this.redis = redis;
    this.nodes = nodes;
  }

  /** The node whose turn it is. */
  next(): TestNode {
    this.#turn += 1;
    return this.nodes[(this.#turn % 2) as 0 | 1];
  }

  api<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer<T>> {
    return request<T>(method, `${this.next().url}/api/v1${path}`, options);
  }

  /** A new public room's id. */
  async room(name = 'a room', options: RequestOptions = {}): Promise<string> {
    const answer = await this.api<{ id: string }>('POST', '/rooms', { ...options, body: { name } });
    if (answer.status !== 200) throw new Error(`no room: ${answer.status} ${answer.text}`);
    return answer.body.id;
  }

  /** Sends by HTTP. */
  async say(room: string, user: string, content: string, options: RequestOptions = {}): Promise<RoomMessage> {
    const body = { user_id: user, content, type: 'text' };
    const answer = await this.api<RoomMessage>('POST', `/rooms/${room}/messages`, { ...options, body });
    if (answer.status !== 200) throw new Error(`not sent: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  async messages(room: string, query = '', options: RequestOptions = {}): Promise<RoomMessage[]> {
    const answer = await this.api<RoomMessage[]>('GET', `/rooms/${room}/messages${query}`, options);
    if (answer.status !== 200) throw new Error(`no messages: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** The socket's address on the node whose turn it is. */
  socketUrl(room: string, user: string, query = ''): string {
    return `${this.next().wsUrl}/api/v1/ws/${room}/${encodeURIComponent(user)}${query}`;
  }

  /** An open socket, after its first frame: the history, unless a query asks for something else. */
  async join(room: string, user: string, query = '', options: ConnectOptions = {}): Promise<TestSocket> {
    const socket = await open(this.socketUrl(room, user, query), options);
    if (query === '') await socket.nextOf('history');
    return socket;
  }

  /** The answer to an upgrade that is refused. */
  async refused(path: string, options: ConnectOptions = {}): Promise<number> {
    return connect(`${this.next().wsUrl}/api/v1${path}`, options).upgradeStatus;
  }
}

/** Starts a Redis and two nodes with this environment. Users are believed unless it says otherwise. */
export async function startPair(
  t: Owner,
  env: Record<string, string> = {},
  redisOptions: RedisOptions = {},
): Promise<Pair> {
  const redis = await startAnyRedis(t, redisOptions);
  const full = { ...redis.env, ROOMS_AUTH: 'trusted', ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new Pair(redis, [a, b]);
}

/** Checks that an answer is an error as the document shows errors, and nothing else. */
export function isError(
  test: Test,
  answer: Answer<Record<string, unknown>>,
  status: number,
  what: string,
): void {
  test.equal(answer.status, status, `${what}: ${answer.text}`);
  test.same(Object.keys(answer.body), ['detail'], what);
  test.type(answer.body.detail, 'string', what);
  test.not(answer.body.detail, '', what);
  test.match(answer.headers.get('content-type'), /^application\/json/, what);
}

/** Frames of one type, in order. */
export function framesOf(socket: TestSocket, type: string): Frame[] {
  return socket.frames.filter((frame) => frame.type === type);
}

/** The messages that a socket was shown, in history frames and live, in order. */
export function shown(socket: TestSocket): RoomMessage[] {
  return socket.frames.flatMap((frame) => {
    if (frame.type === 'history') return frame.messages as RoomMessage[];
    return frame.type === 'text' ? [frame as unknown as RoomMessage] : [];
  });
}

/** Waits for a live message with this content. */
export function heard(socket: TestSocket, content: string): Promise<Frame> {
  return socket.next((frame) => frame.type === 'text' && frame.content === content, 15_000);
}

/** Waits until a message with this content was shown, in a history frame or live. */
export async function seen(socket: TestSocket, content: string): Promise<void> {
  while (!shown(socket).some((message) => message.content === content)) await socket.next(() => true, 15_000);
}
