/** The private Redis of a local run. Its data stays under `.data/redis` from one run to the next. */

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './fail.mjs';
import { askRedis, freePortFrom } from './net.mjs';
import { DATA } from './paths.mjs';
import { startChild, untilReady } from './process.mjs';
import { ensureProgram, REDIS } from './programs.mjs';

/** Not 6379: that one may be the user's own, started a moment later. */
const FIRST_PORT = 6390;
/** A large append-only file takes its time to load. */
const LOAD_DEADLINE_MS = 120_000;

/** Sharded channels, which live delivery rests on, came with Redis 7. */
const OLDEST = 7;

/**
 * The path of a redis-server that is new enough, installed first where there is none.
 * @param {string} [otherwise] what one can do without it
 * @returns {string}
 */
export function ensureRedis(otherwise = '') {
  const binary = ensureProgram(REDIS, otherwise);
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /\bv=(\d+)[.\d]*/.exec(stdout ?? '');
  if (version && Number(version[1]) >= OLDEST) return binary;
  const found = version ? `is ${version[0].slice(2)}` : 'does not tell its version';
  throw new Fault(
    `${binary} ${found}: install Redis ${OLDEST}.0 or later (or Valkey)${otherwise && `; ${otherwise}`}.`,
  );
}

/**
 * Starts Redis on loopback with its append-only file, and waits until it has loaded it.
 * @param {string} binary
 * @param {(child: import('./process.mjs').Child) => void} started told at once, so that a failed start is ended too
 * @returns {Promise<string>} its URL
 */
export async function startRedis(binary, started) {
  const dir = join(DATA, 'redis');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const port = await freePortFrom(FIRST_PORT);
  const child = startChild('redis', binary, redisArgs(dir, port), {
    cwd: dir,
    marker: `-server 127.0.0.1:${port}`,
  });
  started(child);
  await untilReady(child, async () => (await askRedis(port, 'PING')).startsWith('+PONG'), LOAD_DEADLINE_MS);
  return `redis://127.0.0.1:${port}`;
}

/**
 * The arguments of a private Redis on loopback that keeps an append-only file and loses nothing for want of memory.
 * @param {string} dir
 * @param {number} port
 * @param {Record<string, string>} [more] settings by their names, which win
 */
export function redisArgs(dir, port, more = {}) {
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    appendonly: 'yes',
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
    ...more,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}
