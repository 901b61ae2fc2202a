/** Two nodes on one Redis, and the netrox API through both of them in turn. */

import type { Test } from 'tap';
import { Core } from './core.js';
import { type Answer, type RequestOptions, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import { type ConnectOptions, connect, type Frame, open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

/** The envelope of every answer. */
export interface Envelope<T = unknown> {
  status: string;
  entity: T;
  message: string | null;
  success: boolean;
}

/** A message as histories show it. */
export type Shown = Record<string, unknown> & {
  id: number;
  sender: User;
  receiver: User;
  message: string;
  seen: boolean;
};

interface User {
  id: string;
  email: string | null;
  profile: object | null;
}

export const ENVELOPE_KEYS = ['status', 'entity', 'message', 'success'];
export const MESSAGE_KEYS = [
  'id',
  'sender',
  'receiver',
  'attached_file_size',
  'message',
  'updated',
  'created',
  'seen',
  'deleted',
  'attached_file',
  'attached_file_name',
  'thread',
];
/** `2024-06-17T11:28:21.902531Z` and `2024-06-17T12:48:28.228342+00:00`. */
export const HTTP_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
export const SOCKET_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;

/** The address of a file, good for a short time: the path, and what lets anybody in. */
export function linkTo(path: string): RegExp {
  const literal = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal}\\?expires=\\d{10}&signature=[\\w-]{43}$`);
}

/** A person with a token. */
export interface Person {
  id: string;
  email: string;
  token: string;
}

/** Two nodes behind nothing: each call goes to the other one than the last. */
export class Pair {
  readonly redis: AnyRedis;
  readonly nodes: readonly [TestNode, TestNode];
  readonly core: Core;
  #turn = 0;

  constructor(redis: AnyRedis, nodes: readonly [TestNode, TestNode], core: Core) {
    this.redis = redis;
    this.nodes = nodes;
    this.core = core;
  }

  /** The node whose turn it is. */
  next(): TestNode {
    this.#turn += 1;
    return this.nodes[(this.#turn % 2) as 0 | 1];
  }

  api<T>(path: string, options: RequestOptions = {}): Promise<Answer<Envelope<T>>> {
    return request<Envelope<T>>('GET', `${this.next().url}${path}`, options);
  }

  /** Somebody with this id whom the server knows. */
  async person(id: string, claims: Record<string, unknown> = {}): Promise<Person> {
    const email = `${id}@example.com`;
    const token = await mintToken({ sub: id, email, ...claims });
    const { status, text } = await this.api('/chat/get-user-threads/', { token });
    if (status !== 200) throw new Error(`${id} is not welcome: ${status} ${text}`);
    return { id, email, token };
  }

  /** Two people that nobody has met yet. */
  async couple(name: string): Promise<[Person, Person]> {
    return [await this.person(`${name}-ann`), await this.person(`${name}-bob`)];
  }

  async messages(of: Person, other: string, query = ''): Promise<Shown[]> {
    const path = `/chat/messages/${encodeURIComponent(other)}/${query}`;
    const answer = await this.api<{ messages: Shown[] }>(path, { token: of.token });
    if (answer.status !== 200) throw new Error(`no messages: ${answer.status} ${answer.text}`);
    return answer.body.entity.messages;
  }

  /** An open socket that goes when the test is over. */
  socket(t: Owner, person: Person, query = '', options: ConnectOptions = {}): Promise<TestSocket> {
    return open(this.url(`?token=${person.token}${query}`), { t, ...options });
  }

  url(query = ''): string {
    return `${this.next().wsUrl}/ws/chat/room/${query}`;
  }

  /** The status of an upgrade that is refused. */
  refused(query: string, options: ConnectOptions = {}): Promise<number> {
    return connect(this.url(query), options).upgradeStatus;
  }
}

export async function startPair(t: Owner, env: Record<string, string> = {}): Promise<Pair> {
  const redis = await startAnyRedis(t);
  const full = { ...redis.env, ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new Pair(redis, [a, b], new Core(t, redis.target));
}

/** Checks that an answer is an error as the document shows errors, and nothing else. */
export function isFailure(
  test: Test,
  answer: Answer<Envelope>,
  status: number,
  what: string,
  message?: string,
): void {
  test.equal(answer.status, status, `${what}: ${answer.text}`);
  test.match(answer.headers.get('content-type'), /^application\/json/, what);
  test.same(Object.keys(answer.body), ENVELOPE_KEYS, what);
  const { message: words, ...rest } = answer.body;
  test.same(rest, { status: 'failure', entity: null, success: false }, what);
  if (message === undefined) test.ok(typeof words === 'string' && words !== '', what);
  else test.equal(words, message, what);
}

let marks = 0;

/** Everything that the socket got, in order, up to an answer to something that it asks now. */
export async function settled(socket: TestSocket): Promise<Frame[]> {
  marks += 1;
  const ref = `mark ${marks}`;
  socket.send({ action: 'none', ref });
  await socket.next((frame) => frame.action === 'error' && frame.ref === ref);
  return socket.frames.filter((frame) => !String(frame.ref).startsWith('mark '));
}

/** Waits for the message with this text. */
export function heard(socket: TestSocket, text: string): Promise<Frame> {
  return socket.next((frame) => frame.message_body === text, 15_000);
}
