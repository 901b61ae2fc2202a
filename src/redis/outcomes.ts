/** How those who asked for appends hear what became of them: each hears it once. */

import { ChatError, notFound } from '../core/errors.js';
import type { Room } from '../core/model.js';
import type { PendingAppend } from './batch.js';
import type { Log } from './connection.js';

/** Who hears besides of what is amiss. */
export interface Witnesses {
  /** Redis knows of no such room, any more: a fail-over may have lost it. */
  readonly onMissing: (room: Room) => void;
  readonly log: Log;
}

/** Fails a draft, unless its caller has been answered. */
export function settle(item: PendingAppend, error: ChatError): void {
  if (!item.open) return;
  item.open = false;
  item.reject(error);
}

/** Tells that a draft is stored, unless its caller has been answered. */
export function settleStored(
  item: PendingAppend,
  offset: number,
  createdMs: number,
  repeated: boolean,
): void {
  if (!item.open) return;
  item.open = false;
  item.resolve({ offset, createdMs, repeated });
}

/** Tells the callers of `items` what `append.lua` answered; `safe`: whether what it wrote is as safe as configured. */
export function settleAnswered(
  items: readonly PendingAppend[],
  answer: readonly number[],
  safe: boolean,
  { onMissing, log }: Witnesses,
): void {
  items.forEach((item, i) => {
    const [outcome, offset, createdMs] = answer.slice(i * 3, i * 3 + 3) as [number, number, number];
    if (!item.open) return;
    const { room } = item.draft;
    if (outcome === 0) {
      onMissing(room);
      settle(item, notFound('room'));
    } else if (outcome === -2) {
      settle(item, new ChatError('too_large', 'this room is full: it takes no more messages'));
    } else if (outcome < 0) {
      log.error({ room: room.id, tip: offset }, 'log and tip of a room disagree');
      settle(item, new ChatError('internal', 'the message could not be stored'));
    } else if (safe) settleStored(item, offset, createdMs, outcome === 2);
    else settle(item, inDoubt());
  });
}

/** The error of a send whose outcome nobody knows. */
export function inDoubt(): ChatError {
  return new ChatError(
    'in_doubt',
    'the message may or may not have been stored; repeat it with the same key',
    { retryAfterS: 1 },
  );
}
