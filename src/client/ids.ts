/** Ids in one form, whichever document they came from: decimal text. */

/** RFC 9562 version 8: constant bits, 12 bits of kind, 60 bits of number. */
const UUID = /^7061726c-616e-800[123]-8([0-9a-f]{3})-([0-9a-f]{12})$/;

/**
 * An id as the documents without UUIDs write it: what came as a number or as a UUID made by the service becomes decimal
 * text, anything else stays as it is.
 */
export function plainId(id: unknown): string {
  const text = String(id);
  const uuid = UUID.exec(text.toLowerCase());
  return uuid ? String(Number.parseInt(`${uuid[1]}${uuid[2]}`, 16)) : text;
}

/** A room's id as the conversations document writes it. */
export function roomUuid(room: string): string {
  const hex = Number(room).toString(16).padStart(15, '0');
  return `7061726c-616e-8002-8${hex.slice(0, 3)}-${hex.slice(3)}`;
}

/**
 * The room of a message and its place there, counted from 1 without holes. A message's id is both, folded into one number
 * by Szudzik's pairing function.
 * @throws TypeError when `id` is no message's id
 */
export function addressOf(id: string): { room: string; offset: number } {
  const n = Number(id);
  if (!Number.isSafeInteger(n) || n < 0) throw new TypeError(`not the id of a message: ${id}`);
  // The floating square root errs for large numbers: integers correct it.
  let root = Math.floor(Math.sqrt(n));
  while (root * root > n) root -= 1;
  while ((root + 1) * (root + 1) <= n) root += 1;
  const rest = n - root * root;
  const [room, offset] = rest < root ? [rest, root] : [root, rest - root];
  return { room: String(room), offset };
}
