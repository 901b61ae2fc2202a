import type { Message } from '../../client/index.js';
import { dayOf } from './times.js';

/** Messages of one person within this time stand together, in ms. */
const TOGETHER_MS = 5 * 60_000;

/** How a message stands to those around it. */
export interface Place {
  readonly first: boolean;
  readonly last: boolean;
  /** The heading above it, where its day begins. */
  readonly day: string | undefined;
  /** Whether what is new begins with it. */
  readonly isNew: boolean;
}

/** `newFrom`: the message that what is new begins with. */
export function placeOf(messages: readonly Message[], i: number, newFrom: string | undefined): Place {
  const message = messages[i] as Message;
  const [before, after] = [messages[i - 1], messages[i + 1]];
  const day = dayOf(message.at);
  const isNew = message.id === newFrom;
  return {
    first: !before || !areTogether(before, message) || isNew,
    last: !after || !areTogether(message, after) || after.id === newFrom,
    day: before && dayOf(before.at) === day ? undefined : day,
    isNew,
  };
}

function areTogether(a: Message, b: Message): boolean {
  return a.sender === b.sender && b.at - a.at < TOGETHER_MS && dayOf(a.at) === dayOf(b.at);
}
