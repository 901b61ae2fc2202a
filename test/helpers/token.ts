/** Tokens as an identity provider would make them. */

import { type JWTPayload, SignJWT } from 'jose';

/** The secret of nodes that tests start. Without a comma: JWT_SECRET is a list. */
export const TEST_SECRET = 'a secret of the tests that is long enough for HS256';

/** Signs `claims` with HS256. `expiresIn` is what jose takes: `2h`, `-1s`, or a time in seconds. */
export function mintToken(
  claims: JWTPayload & { sub: string },
  secret = TEST_SECRET,
  options: { expiresIn?: string | number } = {},
): Promise<string> {
  const token = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JWT' });
  if (claims.iat === undefined) token.setIssuedAt();
  if (claims.exp === undefined) token.setExpirationTime(options.expiresIn ?? '1h');
  return token.sign(new TextEncoder().encode(secret));
}
