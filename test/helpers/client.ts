/** The client of `src/client`, as people of a test use it, and what it tells them. */

import { WebSocket } from 'ws';
import { type Channel, type DialectName, type Message, Parlance } from '../../src/client/index.js';
import type { ParlanceOptions } from '../../src/client/parlance.js';
import { mintToken } from './token.js';
import { type Owner, until } from './wait.js';

/** Somebody with a client. It ends with the test. */
export async function clientOf(
  t: Owner,
  url: string,
  id: string,
  options: Partial<ParlanceOptions> = {},
): Promise<Parlance> {
  const token = await mintToken({ sub: id, email: `${id}@example.com`, name: id });
  const client = new Parlance({ url, token, WebSocket, ...options });
  t.teardown(() => client.close());
  return client;
}

/** A channel that writes down what it is told. */
export interface Heard {
  readonly channel: Channel;
  readonly messages: Message[];
  readonly receipts: string[];
  readonly frames: { direction: 'in' | 'out'; text: string }[];
  readonly states: string[];
  resets: number;
  ended: string | undefined;
}

/** Opens a channel and waits until it is live. */
export async function listen(
  client: Parlance,
  dialect: DialectName,
  room = '',
  since?: string,
): Promise<Heard> {
  const heard = hear(await client.open(dialect, room, { since }));
  await until(`${dialect} is live`, () => heard.channel.live);
  return heard;
}

/** Writes down what a channel tells from now on. */
export function hear(channel: Channel): Heard {
  const heard: Heard = {
    channel,
    messages: [],
    receipts: [],
    frames: [],
    states: [],
    resets: 0,
    ended: undefined,
  };
  channel.on('message', (message) => heard.messages.push(message));
  channel.on('receipt', ({ message, status }) => heard.receipts.push(`${message} ${status}`));
  channel.on('frame', (direction, text) => heard.frames.push({ direction, text }));
  channel.on('state', (state) => heard.states.push(state));
  channel.on('reset', () => {
    heard.resets += 1;
  });
  channel.on('ended', (reason) => {
    heard.ended = reason;
  });
  return heard;
}

/** What is wrong with messages of one room that should come once and in order, from the first on. */
export function faultsOf(messages: readonly Message[]): string[] {
  const first = messages[0]?.offset ?? 1;
  return messages.flatMap(({ offset }, i) =>
    offset === first + i ? [] : [`${offset} where ${first + i} was due`],
  );
}
