import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** How long a link to a file is good, in seconds. */
export const LINK_SECONDS = 900;
const KEY_BYTES = 32;
const PURPOSE = 'parlance file links 1';

/**
 * Links to files that need no token, for a short time: the path, when it ends, and a signature of both. Made for what
 * cannot send headers, such as a picture in a page.
 */
export class FileLinks {
  readonly #keys: readonly Buffer[];

  /** `secrets`: shared by all nodes; the first signs, all verify. Their own use must not be served by these keys. */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES)));
  }

  /** `path` with a signature in its query. */
  sign(path: string): string {
    const expires = String(Math.floor(Date.now() / 1_000) + LINK_SECONDS);
    const signature = signatureOf(this.#keys[0] as Buffer, path, expires).toString('base64url');
    return `${path}?expires=${expires}&signature=${signature}`;
  }

  /** Whether `expires` and `signature`, as a query has them, allow `path` now. */
  allows(path: string, expires: unknown, signature: unknown): boolean {
    if (typeof expires !== 'string' || !/^\d{1,12}$/.test(expires) || typeof signature !== 'string')
      return false;
    const given = Buffer.from(signature, 'base64url');
    // Only the canonical text: no second spelling of a signature is taken.
    if (given.toString('base64url') !== signature) return false;
    const signed = this.#keys.some((key) => {
      const expected = signatureOf(key, path, expires);
      return expected.length === given.length && timingSafeEqual(expected, given);
    });
    return signed && Number(expires) * 1_000 > Date.now();
  }
}

function signatureOf(key: Buffer, path: string, expires: string): Buffer {
  return createHmac('sha256', key).update(`${expires}\n${path}`).digest();
}
