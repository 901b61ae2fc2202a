import { ChatError } from './errors.js';
import { foldMessageId, type MessageId, parseNumericId, type RoomId, unfoldMessageId } from './ids.js';
import type { Nonce, Position } from './model.js';

/** Where a reader wants to go on: after an offset, and what it believes stands there (undefined: it does not know). */
export interface Since {
  readonly offset: number;
  readonly nonce: Nonce | undefined;
}

/** The largest page of a message list. */
export const MAX_PAGE = 1000;

/** Of an empty log, or of a message. */
const CURSOR = /^(?:0\.|([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{1,32}))$/;

/** A room's cursor as text: an offset with its nonce, so that it survives a fail-over that reuses offsets. */
export function formatCursor(position: Position): string {
  return `${position.offset}.${position.nonce}`;
}

/**
 * Reads `?since=`: a cursor of {@link formatCursor}, or the id of one of the room's messages.
 * @throws ChatError bad_request when it is neither
 */
export function parseSince(text: unknown, room: RoomId): Since {
  const cursor = typeof text === 'string' ? CURSOR.exec(text) : null;
  if (cursor) return { offset: Number(cursor[1] ?? 0), nonce: cursor[2] };
  return { offset: parseOffset(text, room, 'since'), nonce: undefined };
}

/** The part of a room's log that a list asks for. Offsets are exclusive. */
export interface Range {
  readonly after: number | undefined;
  readonly before: number | undefined;
  /** Undefined: all of them. */
  readonly limit: number | undefined;
}

/**
 * Reads `?limit=`, `?before=` and `?after=` (the last two: ids of the room's messages).
 * @throws ChatError bad_request for a malformed one, naming it
 */
export function parseRange(
  query: { limit?: unknown; before?: unknown; after?: unknown },
  room: RoomId,
  defaultLimit?: number,
): Range {
  return {
    limit: parseLimit(query.limit, defaultLimit),
    before: query.before === undefined ? undefined : parseOffset(query.before, room, 'before'),
    after: query.after === undefined ? undefined : parseOffset(query.after, room, 'after'),
  };
}

/**
 * Reads `?limit=`: 1 to 1000.
 * @throws ChatError bad_request for anything else
 */
export function parseLimit(value: unknown, fallback?: number): number | undefined {
  if (value === undefined) return fallback;
  const n = typeof value === 'string' && /^[1-9][0-9]{0,3}$/.test(value) ? Number(value) : Number.NaN;
  if (!(n >= 1 && n <= MAX_PAGE)) {
    throw new ChatError('bad_request', `limit must be a whole number from 1 to ${MAX_PAGE}`, {
      field: 'limit',
    });
  }
  return n;
}

function parseOffset(value: unknown, room: RoomId, field: string): number {
  const id = typeof value === 'string' ? parseNumericId('message', value) : undefined;
  const address = id === undefined ? undefined : unfoldMessageId(id);
  if (!address || address.room !== room || address.offset === 0) {
    throw new ChatError('bad_request', `${field} must be the id of a message of this conversation`, {
      field,
    });
  }
  return address.offset;
}

/** The id of the message at `offset` of `room`. */
export function messageId(message: { room: RoomId; offset: number }): MessageId {
  return foldMessageId(message.room, message.offset);
}
