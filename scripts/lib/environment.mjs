/** The settings of a local run: the user's own (environment first, then `.env`), and defaults for the rest. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { DATA, ROOT } from './paths.mjs';

const SECRET_FILE = join(DATA, 'secret');
const LOOPBACK = /^(127\.|localhost$|::1$)/;

/**
 * What the user has set; a variable that is empty counts as not set.
 * @returns {NodeJS.ProcessEnv}
 */
export function userEnvironment() {
  const file = join(ROOT, '.env');
  const all = { ...(existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}), ...process.env };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/**
 * The environment of a node of the local run; what the user has set wins.
 * @param {NodeJS.ProcessEnv} user
 * @param {{ host: string, port: number }} at where clients reach the service
 * @returns {NodeJS.ProcessEnv}
 */
export function localEnvironment(user, { host, port }) {
  const local = LOOPBACK.test(host);
  return {
    // User ids are believed without a token: never where other machines can reach it.
    ...(local ? { ROOMS_AUTH: 'trusted', RATE_LIMIT_MAX: '0' } : {}),
    ...(user.JWT_SECRET || user.JWT_JWKS_URL ? {} : { JWT_SECRET: ensureSecret() }),
    // Somebody to talk to; AGENT_BASE_URL names a real model.
    ...(user.AGENT || user.AGENT_BASE_URL ? {} : { AGENT: 'echo' }),
    PUBLIC_URL: urlOf(host, port),
    // Clients of a local run come back at once: there is no crowd to spread.
    DRAIN_MS: '1000',
    ...user,
  };
}

/**
 * The base URL at which this machine reaches `host`:`port`.
 * @param {string} host
 * @param {number} port
 */
export function urlOf(host, port) {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** The secret kept from an earlier run, or a new one. */
function ensureSecret() {
  const kept = readSecret();
  if (kept) return kept;
  const secret = randomBytes(48).toString('base64url');
  writeFileSync(SECRET_FILE, `${secret}\n`, { mode: 0o600 });
  return secret;
}

/** The secret of the local run, if there has been one. */
export function readSecret() {
  return existsSync(SECRET_FILE) ? readFileSync(SECRET_FILE, 'utf8').trim() : '';
}
