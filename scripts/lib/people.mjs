/** People as the lines of an import have them. */

/** @typedef {import('../../src/core/identity.js').ProfileClaims} ProfileClaims */
/** @typedef {{ id: string | undefined, claims: ProfileClaims }} Person `id` is undefined where a number is to be given */
/**
 * @typedef {object} Checks how the service itself reads ids and addresses
 * @property {typeof import('../../src/core/ids.js').isUserId} isUserId
 * @property {typeof import('../../src/core/ids.js').isWellFormed} isWellFormed
 * @property {typeof import('../../src/core/email.js').parseEmail} parseEmail
 */

/** Our field for each of an import's, which are named like the claims of a token. */
const CLAIMS = /** @type {const} */ ({
  email: 'email',
  name: 'name',
  given_name: 'givenName',
  family_name: 'familyName',
  picture: 'picture',
  role: 'role',
  preferred_username: 'preferredUsername',
});

const MAX_LENGTH = 1000;

/** Why a line is refused. */
export class LineFault extends Error {}

/**
 * The person that a line describes; undefined for a blank line.
 * @param {Buffer} bytes
 * @param {Checks} checks
 * @returns {Person | undefined}
 * @throws LineFault
 */
export function readPerson(bytes, checks) {
  const text = decode(bytes);
  if (text.trim() === '') return undefined;
  const record = parse(text);
  const unknown = Object.keys(record).find((key) => key !== 'id' && !(key in CLAIMS));
  if (unknown !== undefined) throw new LineFault(`unknown field ${JSON.stringify(unknown.slice(0, 50))}`);
  const id = readId(record.id, checks);
  const claims = readClaims(record, checks);
  if (id === undefined && claims.email === undefined) throw new LineFault('id or email is required');
  return { id, claims };
}

/** @param {Buffer} bytes */
function decode(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new LineFault('not UTF-8');
  }
}

/** @param {string} text @returns {Record<string, unknown>} */
function parse(text) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LineFault('not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineFault('not a JSON object');
  }
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {unknown} value @param {Checks} checks */
function readId(value, { isUserId }) {
  if (value === undefined || value === null) return undefined;
  // JSON writes some numbers in several ways: only whole ones have one that is an id.
  const id = Number.isSafeInteger(value) && Number(value) >= 0 ? String(value) : value;
  if (typeof id !== 'string' || id.trim() === '' || !isUserId(id)) {
    throw new LineFault('id must be a string of 1 to 255 bytes, or a whole number');
  }
  return id;
}

/** @param {Record<string, unknown>} record @param {Checks} checks @returns {ProfileClaims} */
function readClaims(record, { isWellFormed, parseEmail }) {
  /** @type {Record<string, string>} */
  const claims = {};
  for (const [field, claim] of Object.entries(CLAIMS)) {
    const value = record[field];
    if (value === undefined || value === null) continue;
    if (
      typeof value !== 'string' ||
      value.trim() === '' ||
      value.length > MAX_LENGTH ||
      !isWellFormed(value)
    ) {
      throw new LineFault(`${field} must be a non-blank string of at most ${MAX_LENGTH} characters`);
    }
    claims[claim] = value.trim();
  }
  if (claims.email !== undefined) {
    const email = parseEmail(claims.email);
    if (email === undefined) throw new LineFault('email must be an e-mail address');
    claims.email = email;
  }
  return claims;
}
