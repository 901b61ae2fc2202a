import type { UserId } from './ids.js';

/** What a token says about its bearer's profile. A claim that is absent says nothing. */
export interface ProfileClaims {
  readonly email?: string;
  readonly name?: string;
  readonly givenName?: string;
  readonly familyName?: string;
  readonly picture?: string;
  readonly role?: string;
  readonly preferredUsername?: string;
}

/** Whose request or socket it is, as a verified token says. */
export interface Identity {
  /** The token's subject, exactly as it stands there. */
  readonly user: UserId;
  /** When the token ends, in ms since the epoch; undefined when it never does. */
  readonly expiresAt: number | undefined;
  /** When the token was made, in whole seconds since the epoch: which of two tokens has the newer claims. */
  readonly issuedAtS: number | undefined;
  readonly claims: ProfileClaims;
}
