/** Who is online, as the chats document tells it. */

import type { ChatsPair, Person, Status } from './chats.js';
import { request } from './http.js';
import type { TestNode } from './node.js';
import { open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type Owner, until } from './wait.js';

/** Less than the time for which somebody who was cut off is awaited. */
const AT_ONCE_MS = 5_000;

/** The token of somebody who only looks. */
export const watcher = await mintToken({ sub: 'watcher' });

/** What one node says of a user. */
export async function statusAt(node: TestNode, user: string): Promise<Status> {
  const url = `${node.url}/chat/users/${encodeURIComponent(user)}/status/`;
  return (await request<Status>('GET', url, { token: watcher })).body;
}

/** Waits until every one of these nodes says so. */
export async function untilOnline(
  nodes: readonly TestNode[],
  user: string,
  online: boolean,
  ms = AT_ONCE_MS,
): Promise<void> {
  const what = `${user} is ${online ? 'online' : 'offline'}`;
  for (const node of nodes) {
    await until(what, async () => (await statusAt(node, user)).is_online === online, ms);
  }
}

/** Somebody new in a chat, and a way to open its socket on a node. */
export async function someone(pair: ChatsPair, t: Owner) {
  const person = await pair.person();
  const chat = await pair.chat(person, await pair.person());
  const headers = { authorization: `Bearer ${person.token}` };
  const join = (node: TestNode): Promise<TestSocket> =>
    open(`${node.wsUrl}/ws/chat/${chat}/`, { t, headers });
  return { ...(person as Person), join };
}
