/** Tokens for the local run. */

import { Fault } from './fail.mjs';

/**
 * A token that the local nodes take: signed with the first of JWT_SECRET, and with the issuer and
 * audience that they ask for.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} user
 * @param {{ name?: string | undefined, ttl?: string | undefined }} [options] `ttl` as jose writes it: `2h`, `30 days`
 * @returns {Promise<string>}
 */
export async function mintToken(env, user, { name, ttl = '24h' } = {}) {
  const secret = env.JWT_SECRET?.split(',')[0]?.trim();
  if (!secret) throw new Fault('There is no secret to sign with: start scripts/up first, or set JWT_SECRET.');
  // Imported late: the packages may only just have been installed.
  const { SignJWT } = await import('jose');
  const token = new SignJWT(name ? { name } : {})
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(ttl);
  if (env.JWT_ISSUER) token.setIssuer(env.JWT_ISSUER);
  if (env.JWT_AUDIENCE) token.setAudience(env.JWT_AUDIENCE);
  return token.sign(new TextEncoder().encode(secret));
}
