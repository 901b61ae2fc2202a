import { randomBytes } from 'node:crypto';
import type { Nonce } from './model.js';

/**
 * A source of nonces that never meet another process's: 54 random bits per source, then a counter.
 * A nonce tells attempts apart; it is no secret and grants nothing.
 */
export function nonceSource(): () => Nonce {
  const prefix = randomBytes(8).toString('base64url').slice(0, 9);
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}${count.toString(36)}`;
  };
}
