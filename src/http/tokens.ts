/** Tokens: reading them off a request, verifying them, and making those of local accounts. */

import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  type CryptoKey,
  decodeProtectedHeader,
  errors,
  type JWSHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { ChatError } from '../core/errors.js';
import type { Identity, ProfileClaims } from '../core/identity.js';
import { isUserId, type UserId } from '../core/ids.js';
import { createKeySet } from './key-set.js';

/** The part of the configuration that tokens depend on. */
export interface TokenSettings {
  /** HS256 secrets: the first signs, all verify. */
  readonly jwtSecrets: readonly string[];
  readonly jwtJwksUrl: string | undefined;
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
  /** Lifetime of tokens made here, in seconds. */
  readonly jwtTtl: number;
}

/** Tells whose token it is. */
export interface TokenVerifier {
  /**
   * @throws ChatError unauthorized when the token is not good, unavailable when that cannot be
   * told because the issuer's keys cannot be read
   */
  verify(token: string): Promise<Identity>;
}

/** Longest token in characters: below it a token fits into Node's 16 KiB of request head. */
export const MAX_TOKEN_LENGTH = 8192;
/** Issuer of tokens made here when none is configured. */
export const DEFAULT_ISSUER = 'parlance';
const CLOCK_TOLERANCE_S = 5;
const MAX_CLAIM_LENGTH = 1000;
const ASYMMETRIC: ReadonlySet<string | undefined> = new Set(
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' '),
);

/**
 * A verifier of signed tokens (RFC 7519, RFC 8725): HS256 by the secrets, asymmetric algorithms by
 * the key set, nothing else. The algorithm chooses where keys come from, so that a public key is
 * never tried as a secret. Good tokens are remembered for a minute at most, and not past their end.
 */
export function createTokenVerifier(settings: TokenSettings): TokenVerifier {
  const secrets = settings.jwtSecrets.map(secretKey);
  const keySet = settings.jwtJwksUrl === undefined ? undefined : createKeySet(settings.jwtJwksUrl);
  const options: JWTVerifyOptions = {
    clockTolerance: CLOCK_TOLERANCE_S,
    requiredClaims: ['sub'],
    ...(settings.jwtIssuer !== undefined && { issuer: settings.jwtIssuer }),
    ...(settings.jwtAudience !== undefined && { audience: settings.jwtAudience }),
  };
  const known = new VerifiedTokens();

  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) throw invalid();
      const digest = hash('sha256', token, 'base64');
      const cached = known.get(digest);
      if (cached) return cached;
      const header = protectedHeader(token);
      // An extension that must be understood, and none is.
      if (header.crit !== undefined) throw invalid();
      let payload: JWTPayload;
      if (header.alg === 'HS256') payload = verifyHs256(secrets, token, options);
      else if (keySet && ASYMMETRIC.has(header.alg)) {
        const keys = await keySet(header);
        payload = await verifyWithAny(keys, token, { ...options, algorithms: [header.alg ?? ''] });
      } else throw invalid();
      const identity = identityOf(payload);
      known.set(digest, identity);
      return identity;
    },
  };
}

function invalid(cause?: unknown): ChatError {
  return new ChatError('unauthorized', 'the token is not valid', { cause });
}

function secretKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret));
}

function protectedHeader(token: string): JWSHeaderParameters {
  try {
    return decodeProtectedHeader(token);
  } catch (error) {
    throw invalid(error);
  }
}

/** The header of a token without a signature. */
const UNSECURED = Buffer.from('{"alg":"none"}').toString('base64url');

/**
 * The claims of a token that one of `secrets` signed (RFC 7518, section 3.2), found out on the spot: the library's way
 * leads through a pool of threads, at several times the CPU. What the claims must be like is the library's to say all the
 * same.
 */
function verifyHs256(secrets: readonly KeyObject[], token: string, options: JWTVerifyOptions): JWTPayload {
  const [header = '', claims = '', signature = '', ...more] = token.split('.');
  const given = Buffer.from(signature);
  const isBy = (secret: KeyObject): boolean => {
    const made = Buffer.from(createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url'));
    return made.length === given.length && timingSafeEqual(made, given);
  };
  if (more.length > 0 || !secrets.some(isBy)) throw invalid();
  try {
    return UnsecuredJWT.decode(`${UNSECURED}.${claims}.`, options).payload;
  } catch (error) {
    throw refusal(error);
  }
}

async function verifyWithAny(
  keys: readonly CryptoKey[],
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  for (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      // Only a signature by another key is worth a try with the next one.
      if (error instanceof errors.JWSSignatureVerificationFailed) continue;
      throw refusal(error);
    }
  }
  throw invalid();
}

function refusal(error: unknown): ChatError {
  return error instanceof errors.JWTExpired
    ? new ChatError('unauthorized', 'the token has expired')
    : invalid(error);
}

function identityOf(payload: JWTPayload): Identity {
  const { sub, exp, iat } = payload;
  if (typeof sub !== 'string' || !isUserId(sub)) throw invalid();
  const expiresAt = exp === undefined ? undefined : exp * 1000;
  const issuedAtS = iat === undefined ? undefined : Math.floor(iat);
  return Object.freeze({
    user: sub,
    // JSON can write numbers that are no dates (1e999): such a token never ends.
    expiresAt: Number.isFinite(expiresAt) ? expiresAt : undefined,
    issuedAtS: Number.isSafeInteger(issuedAtS) ? issuedAtS : undefined,
    claims: profileOf(payload),
  });
}

/** Our field for each profile claim (OpenID Connect Core 1.0, section 5.1; `role` is no standard). */
const CLAIM_NAMES = {
  email: 'email',
  name: 'name',
  givenName: 'given_name',
  familyName: 'family_name',
  picture: 'picture',
  role: 'role',
  preferredUsername: 'preferred_username',
} as const satisfies Record<keyof ProfileClaims, string>;
const CLAIMS = Object.entries(CLAIM_NAMES) as [keyof ProfileClaims, string][];

function profileOf(payload: JWTPayload): ProfileClaims {
  const profile: { -readonly [K in keyof ProfileClaims]: string } = {};
  for (const [field, claim] of CLAIMS) {
    const value = payload[claim];
    if (typeof value !== 'string' || value.trim() === '') continue;
    // A cut may halve a character, and JSON may hold halves of its own: UTF-8 carries neither.
    profile[field] = Buffer.from(value.slice(0, MAX_CLAIM_LENGTH).trim()).toString();
  }
  return Object.freeze(profile);
}

/** A bounded memory of verified tokens by their digest: the least recently used one goes first. */
class VerifiedTokens {
  static readonly capacity = 10_000;
  /** A key that its issuer has withdrawn is believed no longer than this. */
  static readonly maxAgeMs = 60_000;
  readonly #entries = new Map<string, { identity: Identity; until: number }>();

  get(digest: string): Identity | undefined {
    const entry = this.#entries.get(digest);
    if (!entry) return undefined;
    this.#entries.delete(digest);
    if (Date.now() >= entry.until) return undefined;
    this.#entries.set(digest, entry);
    return entry.identity;
  }

  set(digest: string, identity: Identity): void {
    const until = Math.min(
      Date.now() + VerifiedTokens.maxAgeMs,
      identity.expiresAt ?? Number.POSITIVE_INFINITY,
    );
    this.#entries.set(digest, { identity, until });
    if (this.#entries.size <= VerifiedTokens.capacity) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      return;
    }
  }
}

/**
 * A token made here: HS256 with the first secret, good for `jwtTtl` seconds from now.
 * @throws ChatError unavailable when no secret is configured
 */
export async function signToken(
  settings: TokenSettings,
  { user, claims = {} }: { user: UserId; claims?: ProfileClaims },
): Promise<string> {
  const [secret] = settings.jwtSecrets;
  if (secret === undefined) throw new ChatError('unavailable', 'tokens are not made here');
  const profile = CLAIMS.flatMap(([field, claim]) =>
    claims[field] === undefined ? [] : [[claim, claims[field]]],
  );
  const now = Math.floor(Date.now() / 1000);
  const token = new SignJWT(Object.fromEntries(profile))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    .setIssuer(settings.jwtIssuer ?? DEFAULT_ISSUER)
    .setIssuedAt(now)
    .setExpirationTime(now + settings.jwtTtl);
  if (settings.jwtAudience !== undefined) token.setAudience(settings.jwtAudience);
  return token.sign(secretKey(secret));
}

/** The places of a request where a token may stand. */
export interface TokenPlaces {
  /** The `Authorization` header. */
  readonly authorization?: string | undefined;
  /** The `token` parameter of the query, decoded; a repeated one (an array) counts as none. */
  readonly queryToken?: unknown;
  /** The `Sec-WebSocket-Protocol` header. */
  readonly subprotocols?: string | undefined;
}

/**
 * The token that a request carries, unverified: in `Authorization: Bearer <token>` (RFC 6750), else
 * after `bearer` in the subprotocols, else in the query; undefined when there is none.
 */
export function bearerFrom(places: TokenPlaces): string | undefined {
  const header = /^\s*bearer +(\S+)\s*$/i.exec(places.authorization ?? '');
  if (header) return header[1];
  const protocols = (places.subprotocols ?? '').split(',').map((each) => each.trim());
  const at = protocols.findIndex((each) => each.toLowerCase() === 'bearer');
  const offered = at < 0 ? undefined : protocols[at + 1];
  if (offered) return offered;
  return typeof places.queryToken === 'string' && places.queryToken !== '' ? places.queryToken : undefined;
}
