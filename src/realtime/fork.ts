import type { RoomId } from '../core/ids.js';
import type { Message, Nonce, Position } from '../core/model.js';
import type { Log } from '../core/ports.js';
import { newestCommon, REMEMBERED_NONCES } from '../core/position.js';
import type { Feed } from './reader.js';

/** Where a log begins. */
export const START: Position = { offset: 0, nonce: '' };

/** Whether the log has another history than the one that `head` ends; `first` is its first entry from there on. */
export async function isFork(
  log: Log,
  room: RoomId,
  head: Position,
  first: Position | undefined,
): Promise<boolean> {
  if (first?.offset === head.offset) return first.nonce !== head.nonce;
  // The entry is gone. Erased or trimmed it is no fork; beyond the tip it is.
  const [tip] = await log.tips([room]);
  return (tip as Position).offset < head.offset;
}

/**
 * The newest place that both histories have, of which one is remembered from `first` on; undefined when it is too far back.
 * `entries` are the log's newest up to the head, as many as are remembered.
 */
export function commonPlace(
  entries: readonly Position[],
  first: number,
  nonceAt: (offset: number) => Nonce | undefined,
): Position | undefined {
  // A log that remembers from its first entry has the empty log in common with any other.
  const start = first <= 1 && entries.length < REMEMBERED_NONCES ? START : undefined;
  return newestCommon(entries, nonceAt) ?? start;
}

/**
 * Whether `page`, just read, is not what `feed` handed out up to `head`: an entry is another one, or the log ends before the
 * head. Or an entry was erased: the log's tip tells. `after`: the offset that a page was read from which reaches as far as the
 * log does; undefined: there may be more.
 */
export function isDoubtful(
  feed: Feed,
  page: readonly Message[],
  head: Position,
  after: number | undefined,
): boolean {
  if (after !== undefined && (page.at(-1)?.offset ?? after) < head.offset) return true;
  return page.some(({ offset, nonce }) => (feed.nonceAt(offset) ?? nonce) !== nonce);
}
