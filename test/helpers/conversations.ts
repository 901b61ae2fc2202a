/** The conversations document through two nodes: clients alternate between them. */

import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { type Answer, type RequestOptions, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import { type ConnectOptions, connect, open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

export type Body = Record<string, unknown>;

/** `2025-02-22T12:01:00Z`. */
export const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
/** A UUID of version 8 (RFC 9562). */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const FRAME_KEYS = ['conversation_id', 'message', 'message_id', 'sender_id', 'timestamp'];

/** A person with a token. */
export interface Person {
  readonly id: string;
  readonly token: string;
}

/** Two nodes on one Redis. */
export class Service {
  readonly redis: AnyRedis;
  readonly nodes: readonly [TestNode, TestNode];
  #turn = 0;
  #people = 0;

  constructor(redis: AnyRedis, nodes: readonly [TestNode, TestNode]) {
    this.redis = redis;
    this.nodes = nodes;
  }

  /** The node whose turn it is. */
  next(): TestNode {
    this.#turn += 1;
    return this.nodes[(this.#turn % 2) as 0 | 1];
  }

  api<T = Body>(
    method: string,
    path: string,
    { as, ...options }: RequestOptions & { as?: Person } = {},
  ): Promise<Answer<T>> {
    const token = as === undefined ? {} : { token: as.token };
    return request<T>(method, `${this.next().url}${path}`, { ...token, ...options });
  }

  /** Somebody whom the service knows. */
  async person(claims: Body = {}): Promise<Person> {
    this.#people += 1;
    const sub = typeof claims.sub === 'string' ? claims.sub : `person-${this.#people}`;
    const person = { id: sub, token: await mintToken({ ...claims, sub }) };
    const seen = await this.api('GET', '/api/conversations', { as: person });
    if (seen.status !== 200) throw new Error(`not known: ${seen.status} ${seen.text}`);
    return person;
  }

  /** The conversation of two people. */
  async conversation(a: Person, b: Person): Promise<string> {
    const answer = await this.api('POST', '/api/conversations', { as: a, body: { participant_id: b.id } });
    if (answer.status !== 201 && answer.status !== 200) {
      throw new Error(`no conversation: ${answer.status} ${answer.text}`);
    }
    return answer.body.conversation_id as string;
  }

  /** Sends by HTTP. */
  async say(as: Person, conversation: string, message: string): Promise<Body> {
    const answer = await this.api('POST', '/api/messages/', {
      as,
      body: { conversation_id: conversation, sender_id: as.id, message },
    });
    if (answer.status !== 200) throw new Error(`not sent: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  history(as: Person, conversation: string, query = ''): Promise<Answer<Body[]>> {
    return this.api<Body[]>('GET', `/api/conversations/${conversation}${query}`, { as });
  }

  /** The socket's address on the node whose turn it is. */
  socketUrl(conversation: string, query = ''): string {
    return `${this.next().wsUrl}/api/conversations/${conversation}/connect${query}`;
  }

  /** An open socket, by token. */
  join(as: Person, conversation: string, query = '', options: ConnectOptions = {}): Promise<TestSocket> {
    const headers = { authorization: `Bearer ${as.token}` };
    return open(this.socketUrl(conversation, query), { headers, ...options });
  }

  /** The status of an upgrade that is refused. */
  refused(conversation: string, query = '', headers: Record<string, string> = {}): Promise<number> {
    return connect(this.socketUrl(conversation, query), { headers }).upgradeStatus;
  }
}

/** Starts a Redis and two nodes with this environment. */
export async function startService(t: Owner, env: Record<string, string> = {}): Promise<Service> {
  const redis = await startAnyRedis(t);
  const full = { ...redis.env, ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new Service(redis, [a, b]);
}

/** Checks that an answer is an error as the document shows errors, and nothing else. */
export function isError(test: Test, answer: Answer<unknown>, status: number, what: string): void {
  test.equal(answer.status, status, `${what}: ${answer.text}`);
  test.match(answer.headers.get('content-type'), /^application\/json/, what);
  isErrorBody(test, answer.body, status, what);
}

/** The same for the body alone, or a frame. */
export function isErrorBody(test: Test, body: unknown, status: number, what: string, ref?: unknown): void {
  const { error, ...rest } = body as { error: Body };
  test.same(rest, ref === undefined ? {} : { ref }, what);
  test.same(keysOf(error), ['message', 'status'], what);
  test.equal(error.status, status, `${what}: ${error.message}`);
  test.match(error.message, /\S/, what);
}

export function keysOf(body: unknown): string[] {
  return Object.keys(body as object).sort();
}

/** An e-mail that no other test has. */
export function mailOf(name: string): string {
  return `${name}.${createHash('sha1').update(`${name}${process.hrtime.bigint()}`).digest('hex').slice(0, 8)}@example.com`;
}
