import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import {
  createTokenVerifier,
  MAX_TOKEN_LENGTH,
  signToken,
  type TokenSettings,
} from '../../src/http/tokens.js';

const SECRET = 'R8vQmZ2xW5tK9pLcN3yFbH7dJ4sGaU6e';
const OLD_SECRET = 'e6UaGs4Jd7HbFy3NcLp9Kt5Wx2ZmQv8R';
const unauthorized = { name: 'ChatError', code: 'unauthorized' };
const unavailable = { name: 'ChatError', code: 'unavailable' };
const nowS = (): number => Math.floor(Date.now() / 1000);
const later = (): number => nowS() + 600;

function settings(part: Partial<TokenSettings> = {}): TokenSettings {
  const none = { jwtJwksUrl: undefined, jwtIssuer: undefined, jwtAudience: undefined };
  return { jwtSecrets: [SECRET], jwtTtl: 3600, ...none, ...part };
}

function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token by hand, for what a library would refuse to sign. */
function handmade(header: object, payload: unknown, key: string, hash = 'sha256'): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}

function hs256(payload: unknown, key = SECRET): string {
  return handmade({ alg: 'HS256' }, payload, key);
}

/** A key set server whose keys may be changed and that counts what it is asked. */
async function keySetServer(
  keys: JWK[],
): Promise<{ url: string; server: Server; keys: JWK[]; asked: () => number }> {
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/jwks.json`, server, keys, asked: () => asked };
}

function sign(alg: string, key: CryptoKey, kid?: string, sub = 'u1', ttl = '10m'): Promise<string> {
  const header = kid === undefined ? { alg } : { alg, kid };
  return new SignJWT({}).setProtectedHeader(header).setSubject(sub).setExpirationTime(ttl).sign(key);
}

t.test('a token signed here is verified here, with all that it says', async (t) => {
  const claims = {
    email: 'a@b.c',
    name: 'Ada L',
    givenName: 'Ada',
    familyName: 'L',
    picture: 'https://x/y.png',
    role: 'Admin',
    preferredUsername: 'ada',
  };
  const own = settings({ jwtIssuer: 'iss', jwtAudience: 'aud', jwtTtl: 120 });
  const from = nowS();
  const token = await signToken(own, { user: '42', claims });
  const to = nowS();
  const identity = await createTokenVerifier(own).verify(token);
  t.same(identity.claims, claims);
  t.equal(identity.user, '42');
  const issuedAtS = identity.issuedAtS ?? 0;
  t.ok(issuedAtS >= from && issuedAtS <= to, `${issuedAtS} from ${from} to ${to}`);
  t.equal(identity.expiresAt, (issuedAtS + 120) * 1_000);
  const bare = await signToken(settings(), { user: '1' });
  t.match(JSON.parse(Buffer.from(bare.split('.')[1] ?? '', 'base64url').toString()), {
    iss: 'parlance',
    sub: '1',
  });
  t.same((await createTokenVerifier(settings()).verify(bare)).claims, {});
  await t.rejects(createTokenVerifier(own).verify(bare), unauthorized, 'another issuer');
  await t.rejects(signToken(settings({ jwtSecrets: [] }), { user: '1' }), unavailable);
});

t.test('every secret verifies, the first one signs', async (t) => {
  const rotated = settings({ jwtSecrets: [SECRET, OLD_SECRET] });
  const verifier = createTokenVerifier(rotated);
  t.match(await verifier.verify(hs256({ sub: 'new' }, SECRET)), { user: 'new' });
  t.match(await verifier.verify(hs256({ sub: 'old' }, OLD_SECRET)), { user: 'old' });
  await t.rejects(verifier.verify(hs256({ sub: 'x' }, `${SECRET}x`)), unauthorized);
  const made = await signToken(rotated, { user: 'a' });
  t.match(await createTokenVerifier(settings()).verify(made), { user: 'a' });
});

t.test('times: exp and nbf hold, with five seconds of tolerance', async (t) => {
  const { verify } = createTokenVerifier(settings());
  const good = [
    { exp: later() },
    { exp: nowS() - 2 },
    { nbf: nowS() + 3 },
    { nbf: 0 },
    {},
    { iat: nowS() + 600 },
  ];
  for (const times of good)
    t.match(await verify(hs256({ sub: 'u', ...times })), { user: 'u' }, JSON.stringify(times));
  await t.rejects(verify(hs256({ sub: 'u', exp: nowS() - 7 })), { ...unauthorized, message: /expired/ });
  for (const times of [
    { exp: nowS() - 3600 },
    { nbf: nowS() + 20 },
    { exp: '9999999999' },
    { exp: null },
    { nbf: 'x' },
  ]) {
    await t.rejects(verify(hs256({ sub: 'u', ...times })), unauthorized, JSON.stringify(times));
  }
  t.equal((await verify(hs256({ sub: 'u' }))).expiresAt, undefined);
  t.equal((await verify(hs256('{"sub":"u","exp":1e999}'))).expiresAt, undefined, 'no date: no end');
});

t.test('issuer and audience are enforced when set', async (t) => {
  const { verify } = createTokenVerifier(settings({ jwtIssuer: 'https://iss', jwtAudience: 'chat' }));
  t.match(await verify(hs256({ sub: 'u', iss: 'https://iss', aud: ['x', 'chat'] })), { user: 'u' });
  const wrong = [
    { iss: 'https://iss' },
    { aud: 'chat' },
    { iss: 'https://iss/', aud: 'chat' },
    { iss: 'https://iss', aud: 'chats' },
  ];
  for (const part of wrong)
    await t.rejects(verify(hs256({ sub: 'u', ...part })), unauthorized, JSON.stringify(part));
});

t.test('the subject must be a user id', async (t) => {
  const { verify } = createTokenVerifier(settings());
  const wrong = [
    undefined,
    '',
    7,
    null,
    ['a'],
    'x'.repeat(256),
    '\ud800',
    formatUuid('user', 7),
    formatUuid('room', 7).toUpperCase(),
  ];
  for (const sub of wrong) await t.rejects(verify(hs256({ sub, exp: later() })), unauthorized, String(sub));
  for (const sub of ['7', 'auth0|x y', '123e4567-e89b-12d3-a456-426614174000']) {
    t.match(await verify(hs256({ sub })), { user: sub });
  }
});

t.test('claims: text only, not blank, cut at 1000 characters, well-formed', async (t) => {
  const { verify } = createTokenVerifier(settings());
  const raw = {
    sub: 'u',
    email: 7,
    name: `${'x'.repeat(999)}😀`,
    given_name: ' ',
    family_name: { a: 1 },
    picture: 'a\ud800b',
    role: ['Admin'],
    preferred_username: null,
    other: 'y',
  };
  const { claims } = await verify(hs256(raw));
  t.same(claims, { name: `${'x'.repeat(999)}\ufffd`, picture: 'a\ufffdb' });
});

t.test('what is no token, or not of an accepted algorithm, is refused', async (t) => {
  const { verify } = createTokenVerifier(settings());
  const payload = { sub: 'u', exp: later() };
  const good = hs256(payload);
  const [head = '', body = '', signature = ''] = good.split('.');
  const bad: Record<string, string> = {
    empty: '',
    'three dots': '...',
    text: 'not a token',
    'none, unsigned': `${encode({ alg: 'none' })}.${body}.`,
    'None, signed': handmade({ alg: 'None' }, payload, SECRET),
    'no algorithm': handmade({}, payload, SECRET),
    'algorithm as a number': handmade({ alg: 5 }, payload, SECRET),
    'lower case': handmade({ alg: 'hs256' }, payload, SECRET),
    HS384: handmade({ alg: 'HS384' }, payload, SECRET, 'sha384'),
    HS512: handmade({ alg: 'HS512' }, payload, SECRET, 'sha512'),
    'RS256 without a key set': handmade({ alg: 'RS256' }, payload, SECRET),
    'unknown critical header': handmade({ alg: 'HS256', crit: ['x'], x: 1 }, payload, SECRET),
    'signature cut': good.slice(0, -2),
    'signature of another': `${head}.${encode({ ...payload, sub: 'v' })}.${signature}`,
    'signature missing': `${head}.${body}.`,
    'signature padded': `${good}=`,
    'a part more': `${good}.x`,
    'unencoded payload': handmade({ alg: 'HS256', crit: ['b64'], b64: false }, payload, SECRET),
    'payload no object': hs256('"u"'),
    'payload no JSON': hs256('{'),
    'too long': hs256({ ...payload, pad: 'x'.repeat(MAX_TOKEN_LENGTH) }),
  };
  t.match(await verify(good), { user: 'u' });
  for (const [name, token] of Object.entries(bad)) await t.rejects(verify(token), unauthorized, name);
});

t.test('a good token with any one character changed is refused', async (t) => {
  const { verify } = createTokenVerifier(settings());
  const good = hs256({ sub: 'u', exp: later() });
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \u0141';
  for (let at = 0; at < good.length; at += 1) {
    const other = [...letters].filter((letter) => letter !== good[at]);
    const letter = other[(at * 7) % other.length];
    await t.rejects(verify(`${good.slice(0, at)}${letter}${good.slice(at + 1)}`), unauthorized, `at ${at}`);
  }
});

t.test('asymmetric tokens, by a key set over HTTP', async (t) => {
  const algorithms = ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA'];
  const pairs = await Promise.all(
    algorithms.map(async (alg) => ({ alg, ...(await generateKeyPair(alg, { extractable: true })) })),
  );
  const keys = await Promise.all(
    pairs.map(async ({ alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' })),
  );
  const { url, server, asked } = await keySetServer(keys);
  t.teardown(() => server.close());
  const { verify } = createTokenVerifier(settings({ jwtJwksUrl: url }));
  for (const { alg, privateKey } of pairs) {
    t.match(await verify(await sign(alg, privateKey, alg)), { user: 'u1' }, alg);
    t.match(await verify(await sign(alg, privateKey)), { user: 'u1' }, `${alg} without a key id`);
    const stranger = await generateKeyPair(alg);
    await t.rejects(verify(await sign(alg, stranger.privateKey, alg)), unauthorized, `${alg} by another key`);
    await t.rejects(verify(await sign(alg, privateKey, 'nobody')), unauthorized, `${alg}, unknown key id`);
  }
  t.match(await verify(hs256({ sub: 'h' })), { user: 'h' }, 'both kinds side by side');
  t.equal(asked(), 1, 'one fetch serves all');

  t.test('a public key is never tried as a secret', async (t) => {
    const rsa = pairs[0]?.publicKey;
    if (!rsa) throw new Error('no key');
    const shapes = [await exportSPKI(rsa), (await exportSPKI(rsa)).trim(), JSON.stringify(keys[0])];
    const noSecrets = createTokenVerifier(settings({ jwtJwksUrl: url, jwtSecrets: [] }));
    for (const key of shapes) {
      const token = handmade({ alg: 'HS256', kid: 'RS256' }, { sub: 'u', exp: later() }, key);
      await t.rejects(verify(token), unauthorized);
      await t.rejects(noSecrets.verify(token), unauthorized);
    }
    const embedded = handmade({ alg: 'HS256', jwk: { kty: 'oct', k: encode('x') } }, { sub: 'u' }, 'x');
    await t.rejects(verify(embedded), unauthorized, 'a key in the header is not believed');
  });
});

t.test('several keys that fit a token without a key id are all tried', async (t) => {
  const [a, b] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  const { url, server } = await keySetServer([await exportJWK(a.publicKey), await exportJWK(b.publicKey)]);
  t.teardown(() => server.close());
  const { verify } = createTokenVerifier(settings({ jwtJwksUrl: url }));
  t.match(await verify(await sign('ES256', a.privateKey, undefined, 'a')), { user: 'a' });
  t.match(await verify(await sign('ES256', b.privateKey, undefined, 'b')), { user: 'b' });
});

t.test('a key set that cannot be read is unavailable, not unauthorized', async (t) => {
  const pair = await generateKeyPair('ES256');
  const token = await sign('ES256', pair.privateKey, 'k');
  const { url, server } = await keySetServer([{ ...(await exportJWK(pair.publicKey)), kid: 'k' }]);
  const running = createTokenVerifier(settings({ jwtJwksUrl: url }));
  t.match(await running.verify(token), { user: 'u1' });
  server.close();
  server.closeAllConnections();
  t.match(
    await running.verify(await sign('ES256', pair.privateKey, 'k', 'u2')),
    { user: 'u2' },
    'keys known stay good',
  );

  const fresh = createTokenVerifier(settings({ jwtJwksUrl: url }));
  await t.rejects(fresh.verify(token), { ...unavailable, retryAfterS: 5 });
  await t.rejects(fresh.verify(token), unavailable);
  t.match(await fresh.verify(hs256({ sub: 'h' })), { user: 'h' }, 'secrets need no key set');
});

t.test('a good token is remembered, for a minute and never past its end', async (t) => {
  const pair = await generateKeyPair('ES256');
  const { url, server, keys } = await keySetServer([{ ...(await exportJWK(pair.publicKey)), kid: 'k' }]);
  t.teardown(() => server.close());
  const { verify } = createTokenVerifier(settings({ jwtJwksUrl: url }));
  const long = await sign('ES256', pair.privateKey, 'k', 'u1', '1 year');
  const short = hs256({ sub: 's', exp: nowS() + 30 });
  t.equal(await verify(long), await verify(long), 'the very same object');
  const first = await verify(short);
  const real = Date.now;
  t.teardown(() => {
    Date.now = real;
  });
  Date.now = () => real() + 31_000;
  t.not(await verify(short).catch(() => undefined), first, 'not from memory once it has ended');
  keys.length = 0; // the issuer withdraws its key, and the key set is fetched anew after ten minutes
  Date.now = () => real() + 59_000;
  t.match(await verify(long), { user: 'u1' });
  Date.now = () => real() + 601_000;
  await t.rejects(verify(await sign('ES256', pair.privateKey, 'k', 'u2', '1 year')), unauthorized);
  await t.rejects(verify(long), unauthorized, 'forgotten with its key');
});
