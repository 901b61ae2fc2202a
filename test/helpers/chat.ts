/** Rooms and their messages, as clients of the rooms API see them. */

import { unfoldMessageId } from '../../src/core/ids.js';
import { request } from './http.js';
import { startNode, type TestNode } from './node.js';
import type { Frame, TestSocket } from './socket.js';
import type { Owner } from './wait.js';

/** A message of the rooms API: from history, from a live frame, or from GET. */
export interface ChatMessage {
  id: string;
  room_id: string;
  user_id: string;
  content: string;
  created_at: string;
  ref?: string | number;
}

/** Starts nodes side by side that believe user ids, without limits. */
export function startNodes(t: Owner, count: number, env: Record<string, string>): Promise<TestNode[]> {
  const all = { ROOMS_AUTH: 'trusted', SOCKET_RATE: '0', LOG_LEVEL: 'warn', ...env };
  return Promise.all(Array.from({ length: count }, () => startNode(t, all)));
}

/** A new public room's id. */
export async function createRoom(node: { url: string }, name = 'a room'): Promise<string> {
  const answer = await request<{ id: string }>('POST', `${node.url}/api/v1/rooms`, { body: { name } });
  if (answer.status !== 200) throw new Error(`no room: ${answer.status} ${answer.text}`);
  return answer.body.id;
}

export async function createRooms(node: { url: string }, count: number): Promise<string[]> {
  const rooms: string[] = [];
  for (let i = 0; i < count; i += 1) rooms.push(await createRoom(node, `room ${i}`));
  return rooms;
}

/** The address of a room's socket. */
export function socketUrl(node: { wsUrl: string }, room: string, user: string, since?: string): string {
  const query = since === undefined ? '' : `?since=${encodeURIComponent(since)}`;
  return `${node.wsUrl}/api/v1/ws/${room}/${encodeURIComponent(user)}${query}`;
}

/** Posts a message; throws unless it was stored. */
export async function post(
  node: { url: string },
  room: string,
  user: string,
  content: string,
  headers: Record<string, string> = {},
): Promise<ChatMessage> {
  const body = { content, user_id: user, type: 'text' };
  const url = `${node.url}/api/v1/rooms/${room}/messages`;
  const answer = await request<ChatMessage>('POST', url, { body, headers });
  if (answer.status !== 200) throw new Error(`not stored: ${answer.status} ${answer.text}`);
  return answer.body;
}

/** Every message of a room from GET, page by page from the newest. */
export async function history(node: { url: string }, room: string): Promise<ChatMessage[]> {
  const pages: ChatMessage[][] = [];
  for (let before = ''; ; before = `&before=${pages[0]?.[0]?.id}`) {
    const url = `${node.url}/api/v1/rooms/${room}/messages?limit=1000${before}`;
    const answer = await request<ChatMessage[]>('GET', url);
    if (answer.status !== 200) throw new Error(`no history: ${answer.status} ${answer.text}`);
    pages.unshift(answer.body);
    if (answer.body.length < 1000) return pages.flat();
  }
}

/** A message's place in its room. */
export function offsetOf(message: { id: string }): number {
  return unfoldMessageId(Number(message.id)).offset;
}

/** The messages that a frame brings: one, a page, or none. */
export function messagesIn(frame: Frame): ChatMessage[] {
  if (frame.type === 'history') return frame.messages as ChatMessage[];
  return frame.type === 'text' ? [frame as unknown as ChatMessage] : [];
}

/** All messages that a socket was sent, in the order they came. */
export function received(socket: TestSocket): ChatMessage[] {
  return socket.frames.flatMap(messagesIn);
}

/** What is wrong with a sequence of messages that should be `from`, `from + 1` ...: holes, repeats, steps back. */
export function faultsIn(messages: readonly { id: string }[], from: number): string[] {
  const faults: string[] = [];
  let expected = from;
  for (const message of messages) {
    const offset = offsetOf(message);
    if (offset !== expected) faults.push(`offset ${offset} where ${expected} was due`);
    expected = offset + 1;
  }
  return faults.slice(0, 10);
}

/** The values that occur more than once. */
export function repeatsIn<T>(values: readonly T[]): T[] {
  const seen = new Set<T>();
  return values.filter((value) => seen.size === seen.add(value).size);
}

/** One number of a node's /metrics. */
export async function metric(node: { url: string }, name: string): Promise<number> {
  const { text } = await request('GET', `${node.url}/metrics`);
  const line = new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text);
  if (!line) throw new Error(`no metric ${name}`);
  return Number(line[1]);
}

/** Rounds that may be needed: one in which nothing is late comes soon on any machine. */
const LIVE_ROUNDS = 10;

/**
 * Lets messages be said and heard in rounds, until all of a round came live to these nodes: none had to be read from the
 * log, as happens now and then to one that is merely late. Answers how many rounds that took.
 * @throws Error when some were read from the log in every round
 */
export async function untilLive(
  nodes: readonly { url: string }[],
  say: (round: number) => Promise<unknown>,
): Promise<number> {
  const recovered = async () => {
    const each = await Promise.all(nodes.map((n) => metric(n, 'parlance_feed_recovered_messages_total')));
    return each.join();
  };
  for (let round = 1; round <= LIVE_ROUNDS; round += 1) {
    const before = await recovered();
    await say(round);
    if ((await recovered()) === before) return round;
  }
  throw new Error('nothing comes live');
}
