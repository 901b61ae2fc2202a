import { ChatError } from './errors.js';
import type { RoomId } from './ids.js';
import type { Position } from './model.js';

/**
 * The cursor of a reader of many rooms. Thousands of positions don't fit into a URL: the base is kept on the server, and
 * the text is its handle with what moved since: `<handle>~<room>.<offset>.<nonce>~...`
 */
export interface UserCursor {
  readonly handle: string;
  readonly moved: ReadonlyMap<RoomId, Position>;
}

/** Longest text of a cursor: it travels in a URL, beside a token. */
export const MAX_CURSOR_LENGTH = 3_500;

const PART = /^([1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9_-]{0,32})$/;

/** The cursor as text; undefined when too much moved for it: then a new base is due. */
export function formatUserCursor(cursor: UserCursor): string | undefined {
  let text = cursor.handle;
  for (const [room, { offset, nonce }] of cursor.moved) {
    text += `~${room}.${offset}.${nonce}`;
    if (text.length > MAX_CURSOR_LENGTH) return undefined;
  }
  return text;
}

/**
 * The inverse of {@link formatUserCursor}.
 * @throws ChatError bad_request
 */
export function parseUserCursor(text: unknown): UserCursor {
  const [handle = '', ...parts] =
    typeof text === 'string' && text.length <= MAX_CURSOR_LENGTH ? text.split('~') : [];
  const moved = new Map<RoomId, Position>();
  for (const part of parts) {
    const match = PART.exec(part);
    if (!match) throw malformed();
    moved.set(Number(match[1]), { offset: Number(match[2]), nonce: match[3] as string });
  }
  if (!/^[A-Za-z0-9_-]{16}$/.test(handle)) throw malformed();
  return { handle, moved };
}

function malformed(): ChatError {
  return new ChatError('bad_request', 'since must be a cursor that this server handed out', {
    field: 'since',
  });
}

/** What moved from `base` to `now`. */
export function movedSince(
  base: ReadonlyMap<RoomId, Position>,
  now: ReadonlyMap<RoomId, Position>,
): Map<RoomId, Position> {
  const moved = new Map<RoomId, Position>();
  for (const [room, position] of now) {
    const before = base.get(room);
    if (before?.offset !== position.offset || before.nonce !== position.nonce) moved.set(room, position);
  }
  return moved;
}
