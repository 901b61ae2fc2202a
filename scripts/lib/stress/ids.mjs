/** Message ids as clients see them, as the addresses that they are: a room and an offset. */

const UUID = /^7061726c-616e-800[123]-8([0-9a-f]{3})-([0-9a-f]{12})$/;

/**
 * The number in an id: a number, its decimal digits, or a UUID version 8.
 * @param {unknown} id
 */
export function numberOf(id) {
  if (typeof id === 'number') return id;
  const uuid = UUID.exec(String(id));
  const n = uuid ? Number.parseInt(`${uuid[1]}${uuid[2]}`, 16) : Number(id);
  if (!Number.isSafeInteger(n)) throw new TypeError(`not an id: ${id}`);
  return n;
}

/** @param {unknown} id @returns {{ room: number, offset: number }} */
export function addressOf(id) {
  const n = numberOf(id);
  let root = Math.floor(Math.sqrt(n));
  while (root * root > n) root -= 1;
  while ((root + 1) * (root + 1) <= n) root += 1;
  const rest = n - root * root;
  return rest < root ? { room: rest, offset: root } : { room: root, offset: rest - root };
}

/** A number as a UUID version 8. @param {'room' | 'user'} kind @param {number} n */
export function uuidOf(kind, n) {
  const hex = n.toString(16).padStart(15, '0');
  return `7061726c-616e-8${kind === 'room' ? '002' : '001'}-8${hex.slice(0, 3)}-${hex.slice(3)}`;
}

/**
 * Whether an id, in any dialect's form, is this user's.
 * @param {unknown} id
 * @param {string} user
 */
export function namesUser(id, user) {
  if (String(id) === user) return true;
  return typeof id === 'string' && UUID.test(id) && String(numberOf(id)) === user;
}
