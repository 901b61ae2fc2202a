/** Two nodes on one Redis, and the skillarena API through both of them in turn. */

import type { Test } from 'tap';
import { type Answer, type RequestOptions, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import { type ConnectOptions, connect, type Frame, open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

/** A message as the document shows it, with what is added to it. */
export interface ChatMessage {
  sender_id: string;
  receiver_id: string;
  status: string;
  message: string;
  attachments: string[];
  created_at: string;
  message_id: string;
  chat_id: string;
}

/** An entry of the list of chats. */
export interface Chat {
  chat_id: string;
  other_user_id: string;
  user: Record<string, unknown>;
  last_message: ChatMessage | null;
  unread_count: number;
  created_at: string;
}

export const MESSAGE_KEYS = [
  'attachments',
  'chat_id',
  'created_at',
  'message',
  'message_id',
  'receiver_id',
  'sender_id',
  'status',
];
export const CHAT_KEYS = ['chat_id', 'created_at', 'last_message', 'other_user_id', 'unread_count', 'user'];
export const RECEIPT_KEYS = ['chat_id', 'message_id', 'status', 'stop', 'user_id'];
export const MILLISECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
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

  /** Users that are known from now on, each by a first request with their token. */
  async meet(...users: string[]): Promise<void> {
    for (const user of users) await this.chats(user);
  }

  async get<T>(user: string, path: string, options: RequestOptions = {}): Promise<Answer<T>> {
    const token = await mintToken({ sub: user });
    return request<T>('GET', this.next().url + path, { token, ...options });
  }

  async history(user: string, other: string, query = ''): Promise<ChatMessage[]> {
    const path = `/chat_history/${encodeURIComponent(other)}${query}`;
    const answer = await this.get<ChatMessage[]>(user, path);
    if (answer.status !== 200) throw new Error(`no history: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  async chats(user: string): Promise<Chat[]> {
    const answer = await this.get<Chat[]>(user, '/chat_history');
    if (answer.status !== 200) throw new Error(`no chats: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** An open socket of `user` with the token in its path, on the node whose turn it is unless one is given. */
  async join(user: string, options: ConnectOptions & { query?: string; node?: TestNode } = {}) {
    const { query = '', node = this.next(), ...rest } = options;
    return open(`${node.wsUrl}/ws/${await mintToken({ sub: user })}${query}`, rest);
  }

  /** The answer to an upgrade that is refused. */
  refused(path: string, options: ConnectOptions = {}): Promise<number> {
    return connect(this.next().wsUrl + path, options).upgradeStatus;
  }

  /** Sends on a socket and waits for the acknowledgement. */
  async say(socket: TestSocket, receiver: string, message: string, more: object = {}): Promise<ChatMessage> {
    socket.send(says(receiver, message, more));
    return heard(socket, message);
  }
}

/** Starts a Redis and two nodes with this environment. */
export async function startPair(t: Owner, env: Record<string, string> = {}): Promise<Pair> {
  const redis = await startAnyRedis(t);
  const full = { ...redis.env, SOCKET_RATE: '0', ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new Pair(redis, [a, b]);
}

/** A `message` frame as a client sends it. */
export function says(receiver: unknown, message: unknown, more: object = {}): object {
  return { type: 'message', data: { receiver_id: receiver, message, ...more } };
}

/** A `receipt_update` frame for a message: the receiver's report; with `stop`, the sender's confirmation. */
export function receipt(message: ChatMessage, status: string, stop: boolean | string = false): object {
  const { chat_id, receiver_id: user_id, message_id } = message;
  return { type: 'receipt_update', data: { chat_id, user_id, message_id, status, stop } };
}

export const dataOf = <T = Record<string, unknown>>(frame: Frame): T => frame.data as T;

/** The next unread live message with this text. */
export async function heard(socket: TestSocket, message: string): Promise<ChatMessage> {
  const frame = await socket.next((one) => one.type === 'message' && dataOf(one).message === message, 15_000);
  return dataOf(frame) as unknown as ChatMessage;
}

/** The next unread receipt of a message, in this status. */
export async function told(socket: TestSocket, message: ChatMessage, status: string): Promise<Frame> {
  return socket.next((one) => isReceipt(one, message, status), 15_000);
}

export function isReceipt(frame: Frame, message: ChatMessage, status: string): boolean {
  const data = dataOf(frame);
  return frame.type === 'receipt_update' && data.message_id === message.message_id && data.status === status;
}

/** How often a socket was told of a receipt. */
export function tellings(socket: TestSocket, message: ChatMessage, status: string): number {
  return socket.frames.filter((frame) => isReceipt(frame, message, status)).length;
}

/** The data of all frames of one type, in order. */
export function framesOf<T = Record<string, unknown>>(socket: TestSocket, type: string): T[] {
  return socket.frames.filter((frame) => frame.type === type).map((frame) => dataOf<T>(frame));
}

/** Waits until the server has taken every frame that was sent on the socket; answers its cursor. */
export async function taken(socket: TestSocket): Promise<string> {
  socket.send({ type: 'cursor' });
  return (await socket.nextOf('cursor')).cursor as string;
}

/** Checks that an answer is an error as the document shows errors, and nothing else. */
export function isError(test: Test, answer: Answer<unknown>, status: number, what: string): void {
  const body = answer.body as Record<string, unknown>;
  test.equal(answer.status, status, `${what}: ${answer.text}`);
  test.same(Object.keys(body), ['detail'], what);
  test.type(body.detail, 'string', what);
  test.not(body.detail, '', what);
  test.match(answer.headers.get('content-type'), /^application\/json/, what);
}
