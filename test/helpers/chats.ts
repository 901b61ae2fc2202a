/** Two nodes on one Redis, and the chats API through both of them in turn. */

import type { Test } from 'tap';
import { type Answer, type RequestOptions, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import { type ConnectOptions, connect, type Frame, open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

export const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
export const MESSAGE_KEYS = ['content', 'id', 'is_read', 'sender', 'timestamp'];

/** A person as the document shows one. */
export interface ChatUser {
  id: number | string;
  email: string;
  role: string;
  profile: { first_name: string; last_name: string; photo: string | null };
}

export interface Chat {
  id: number;
  participants: ChatUser[];
  created_at: string;
}

export interface ChatMessage {
  id: number;
  sender: ChatUser;
  content: string;
  timestamp: string;
  is_read: boolean;
}

export interface Status {
  is_online: boolean;
  last_seen: string;
}

/** Somebody with a token. */
export interface Person {
  readonly id: string;
  readonly token: string;
}

/** Two nodes behind nothing: each call goes to the other one than the last. */
export class ChatsPair {
  readonly redis: AnyRedis;
  readonly nodes: readonly [TestNode, TestNode];
  #turn = 0;
  #people = 100;

  constructor(redis: AnyRedis, nodes: readonly [TestNode, TestNode]) {
    this.redis = redis;
    this.nodes = nodes;
  }

  /** The node whose turn it is. */
  next(): TestNode {
    this.#turn += 1;
    return this.nodes[(this.#turn % 2) as 0 | 1];
  }

  /** Somebody new, known to the service when this resolves. */
  async person(claims: Record<string, unknown> & { sub?: string } = {}): Promise<Person> {
    this.#people += 1;
    const id = claims.sub ?? String(this.#people);
    const token = await mintToken({ ...claims, sub: id });
    await this.ok(200, 'GET', '/chats/', { token });
    return { id, token };
  }

  api<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer<T>> {
    return request<T>(method, `${this.next().url}/chat${path}`, options);
  }

  /** The body of an answer that must have this status. */
  async ok<T>(status: number, method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const answer = await this.api<T>(method, path, options);
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  /** The id of a new chat of two. */
  async chat({ token }: Person, other: Person): Promise<number> {
    const body = { user_id: other.id };
    return (await this.ok<Chat>(201, 'POST', '/chats/start/', { token, body })).id;
  }

  say(chat: number, { token }: Person, content: string): Promise<ChatMessage> {
    return this.ok<ChatMessage>(201, 'POST', `/chats/${chat}/messages/`, { token, body: { content } });
  }

  read({ id }: { id: unknown }, { token }: Person): Promise<unknown> {
    return this.ok(200, 'PATCH', `/messages/${id}/read/`, { token });
  }

  messages(chat: number, { token }: Person, query = ''): Promise<ChatMessage[]> {
    return this.ok(200, 'GET', `/chats/${chat}/messages/${query}`, { token });
  }

  /** The socket's address on the node whose turn it is. */
  socketUrl(chat: number | string, query = ''): string {
    return `${this.next().wsUrl}/ws/chat/${chat}/${query}`;
  }

  /** An open socket. */
  join(t: Owner, chat: number, { token }: Person, query = ''): Promise<TestSocket> {
    return open(this.socketUrl(chat, query), { t, headers: { authorization: `Bearer ${token}` } });
  }

  /** The status that answers an upgrade. */
  upgrade(path: string, options: ConnectOptions = {}): Promise<number> {
    return connect(`${this.next().wsUrl}${path}`, options).upgradeStatus;
  }
}

/** Starts a Redis and two nodes with this environment. */
export async function startChats(t: Owner, env: Record<string, string> = {}): Promise<ChatsPair> {
  const redis = await startAnyRedis(t);
  const full = { ...redis.env, ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new ChatsPair(redis, [a, b]);
}

/** Checks that an answer is `{"detail": "..."}` and nothing else, or with `field` `{"<field>": ["..."]}`. */
export function isError(t: Test, answer: Answer<unknown>, status: number, field?: string): void {
  const what = `${status} ${field ?? 'detail'}: ${answer.text.slice(0, 200)}`;
  const body = answer.body as Record<string, unknown>;
  t.equal(answer.status, status, what);
  t.match(answer.headers.get('content-type'), /^application\/json/, what);
  t.same(Object.keys(body), [field ?? 'detail'], what);
  const words = field === undefined ? [body.detail] : (body[field] as unknown[]);
  t.ok(Array.isArray(words) && words.length === 1, what);
  t.ok(typeof words[0] === 'string' && words[0] !== '', what);
}

/** The names of an object's fields, in order. */
export function keysOf(value: unknown): string[] {
  return Object.keys(value as object).sort();
}

/** Waits for the message with this content. */
export function heard(socket: TestSocket, content: string): Promise<Frame> {
  return socket.next((frame) => frame.type === 'message' && frame.content === content, 15_000);
}

/** The frames of one type so far, in order. */
export function framesOf(socket: TestSocket, type: string): Frame[] {
  return socket.frames.filter((frame) => frame.type === type);
}
