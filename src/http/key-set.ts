import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWSHeaderParameters,
} from 'jose';
import { ChatError } from '../core/errors.js';

const FETCH_TIMEOUT_MS = 3000;
/** How long after a failed fetch no other is tried: bad tokens must not hammer an issuer that is down. */
const RETRY_MS = 5000;
/** How long keys that can't be renewed are still believed: an outage there should not be one here. */
const STALE_MS = 3_600_000;

/**
 * The keys that may have signed a token with this protected header: usually one, several when it
 * names none, empty when the issuer has no such key.
 * @throws ChatError unavailable when the keys cannot be had, which says nothing about the token
 */
export type KeySet = (header: JWSHeaderParameters) => Promise<readonly CryptoKey[]>;

/**
 * The keys of a remote JSON Web Key Set (RFC 7517). Fetched when first needed, again every ten
 * minutes, and for a key unseen so far at most every 30 s. When that fails, the keys known before
 * stay good for an hour.
 */
export function createKeySet(url: string): KeySet {
  const remote = createRemoteJWKSet(new URL(url), { timeoutDuration: FETCH_TIMEOUT_MS });
  let fallback: LocalKeys | undefined;
  let fetchedAt = 0;
  let retryAt = 0;
  let reason: unknown;

  async function fromFallback(header: JWSHeaderParameters): Promise<readonly CryptoKey[]> {
    const usable = fallback !== undefined && Date.now() < fetchedAt + STALE_MS;
    const keys = usable && fallback ? await candidates(fallback, header) : [];
    if (keys.length > 0) return keys;
    // The key may be a new one that could not be fetched: the token is not to blame.
    const detail = { retryAfterS: RETRY_MS / 1000, cause: reason };
    throw new ChatError('unavailable', 'the keys of the token issuer cannot be read at present', detail);
  }

  return async (header) => {
    if (Date.now() < retryAt) return fromFallback(header);
    try {
      const keys = await candidates(remote, header);
      fetchedAt = Date.now();
      return keys;
    } catch (error) {
      reason = error;
      retryAt = Date.now() + RETRY_MS;
      const known = remote.jwks();
      fallback = known && createLocalJWKSet(known);
      return fromFallback(header);
    }
  };
}

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

async function candidates(
  keys: (header: JWSHeaderParameters) => Promise<CryptoKey>,
  header: JWSHeaderParameters,
): Promise<readonly CryptoKey[]> {
  try {
    return [await keys(header)];
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return [];
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    const several: CryptoKey[] = [];
    for await (const key of error) several.push(key);
    return several;
  }
}
