/**
 * Ids that are addresses: nothing is stored to find what an id names.
 *
 * A message's global id is the pair (room, offset) folded into one integer by Szudzik's pairing
 * function ("An Elegant Pairing Function", M. Szudzik, 2006). Where a document wants UUIDs, an
 * integer is written as a UUID version 8 (RFC 9562, section 5.8) with a kind tag and constant
 * check bits, so that a UUID made elsewhere is not mistaken for one of ours.
 */

/** A user's id: opaque text, the `sub` of a token or a number made here. */
export type UserId = string;
/** A room's number, from 1. */
export type RoomId = number;
/** A message's place in its room's log, from 1, without holes. */
export type Offset = number;
/** (room, offset) folded into one integer below 2^53. */
export type MessageId = number;
/** A file's UUID (version 4): it tells nothing and cannot be guessed. */
export type FileId = string;

/** What a UUID of ours names. */
export type IdKind = 'user' | 'room' | 'message';

/** An id that does not fit into 2^53 - 1. Numbering stops loudly rather than collide silently. */
export class IdRangeError extends RangeError {
  override name = 'IdRangeError';
}

const MAX_ROOT = 94_906_265; // floor(sqrt(2^53 - 1))

/** The last room number and the last offset given out: up to here every (room, offset) has an id. */
export const LAST_NUMBER = MAX_ROOT - 1;

function assertNatural(n: number): void {
  if (!Number.isSafeInteger(n) || n < 0) throw new IdRangeError(`not a natural number: ${n}`);
}

/**
 * Folds (room, offset) into one integer; the inverse of {@link unfoldMessageId}.
 * @throws IdRangeError when either is no natural number or the fold would pass 2^53 - 1
 */
export function foldMessageId(room: RoomId, offset: Offset): MessageId {
  assertNatural(room);
  assertNatural(offset);
  const root = Math.max(room, offset);
  // Every sum below is exact up to 2^53, and rounds to 2^53 or more beyond it.
  const id = room < offset ? offset * offset + room : room * room + room + offset;
  if (root > MAX_ROOT || id > Number.MAX_SAFE_INTEGER) {
    throw new IdRangeError(`message (${room}, ${offset}) has no id below 2^53`);
  }
  return id;
}

/**
 * The (room, offset) that `id` was folded from.
 * @throws IdRangeError when `id` is no natural number below 2^53
 */
export function unfoldMessageId(id: MessageId): { room: RoomId; offset: Offset } {
  assertNatural(id);
  // The floating square root errs from about 68 million up: integers correct it.
  let root = Math.floor(Math.sqrt(id));
  while (root * root > id) root -= 1;
  while ((root + 1) * (root + 1) <= id) root += 1;
  const rest = id - root * root;
  return rest < root ? { room: rest, offset: root } : { room: root, offset: rest - root };
}

const INTEGER_LIKE = /^(0|[1-9][0-9]*)$/;

/** The number that `text` writes in canonical decimal (no sign, no leading zero, below 2^53), else undefined. */
export function parseIntegerLike(text: string): number | undefined {
  if (text.length > 16 || !INTEGER_LIKE.test(text)) return undefined;
  const n = Number(text);
  return Number.isSafeInteger(n) ? n : undefined;
}

// xxxxxxxx-xxxx-8kkk-8nnn-nnnnnnnnnnnn: 48 constant bits, 12 bits of kind, 60 bits of number.
const UUID_PREFIX = '7061726c-616e-8';
const UUID_VARIANT = '8';
const KIND_TAGS: Record<IdKind, string> = { user: '001', room: '002', message: '003' };
const UUID_FORM = /^7061726c-616e-8(00[123])-8([0-9a-f]{3})-([0-9a-f]{12})$/;

/**
 * `n` as a UUID version 8 that tells its kind; the inverse of {@link parseUuid}.
 * @throws IdRangeError when `n` is no natural number below 2^53
 */
export function formatUuid(kind: IdKind, n: number): string {
  assertNatural(n);
  const hex = n.toString(16).padStart(15, '0');
  return `${UUID_PREFIX}${KIND_TAGS[kind]}-${UUID_VARIANT}${hex.slice(0, 3)}-${hex.slice(3)}`;
}

/** What a UUID made by {@link formatUuid} names (upper case accepted), else undefined. */
export function parseUuid(text: string): { kind: IdKind; n: number } | undefined {
  if (text.length !== 36) return undefined;
  const match = UUID_FORM.exec(text.toLowerCase());
  if (!match) return undefined;
  const n = Number.parseInt(`${match[2]}${match[3]}`, 16);
  if (!Number.isSafeInteger(n)) return undefined;
  const kind = match[1] === '001' ? 'user' : match[1] === '002' ? 'room' : 'message';
  return { kind, n };
}

/** The number in `text`, written in decimal or as a UUID of `kind`; else undefined. */
export function parseNumericId(kind: IdKind, text: string): number | undefined {
  const plain = parseIntegerLike(text);
  if (plain !== undefined) return plain;
  const uuid = parseUuid(text);
  return uuid?.kind === kind ? uuid.n : undefined;
}

/** A user's id as a document with UUIDs writes it: integer-like ids become UUIDs, others stay as they are. */
export function userIdAsUuid(user: UserId): string {
  const n = parseIntegerLike(user);
  return n === undefined ? user : formatUuid('user', n);
}

/** A user's id as a document with numbers writes it: integer-like ids become numbers, others stay as they are. */
export function userIdAsNumber(user: UserId): number | string {
  return parseIntegerLike(user) ?? user;
}

/**
 * The AI agent's id. Numbers given out here count from 1, and a token with this subject is refused: nobody else has it.
 */
export const AGENT_USER: UserId = '0';

/** Longest user id in UTF-8 bytes: what OpenID Connect Core 1.0, section 2, allows a `sub`. */
export const MAX_USER_ID_BYTES = 255;

/**
 * Whether `text` may be a person's id: 1 to 255 bytes of well-formed Unicode that is not in the form
 * of a UUID made here (such a subject would be indistinguishable from another user's number), and not the agent's.
 */
export function isUserId(text: string): boolean {
  if (text.length === 0 || text.length > MAX_USER_ID_BYTES || text === AGENT_USER) return false;
  if (Buffer.byteLength(text) > MAX_USER_ID_BYTES || !isWellFormed(text)) return false;
  return parseUuid(text) === undefined;
}

/** Whether `text` holds no lone surrogate, which UTF-8 cannot carry: it would come back changed. */
export function isWellFormed(text: string): boolean {
  // A u-mode pattern matches a surrogate only when it stands alone.
  return !/\p{Surrogate}/u.test(text);
}
