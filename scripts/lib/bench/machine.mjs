/** The facts without which a figure means nothing. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../paths.mjs';
import { ensureRedis } from '../redis.mjs';

const PACKAGES = [
  'fastify',
  'ioredis',
  'ws',
  'socket.io',
  '@socket.io/redis-adapter',
  '@socket.io/redis-streams-adapter',
];

/** @typedef {ReturnType<typeof machineFacts>} Machine */

export function machineFacts() {
  const redis = said(ensureRedis(), ['--version']);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: /\bv=([.\d]+)/.exec(redis)?.[1] ?? redis,
    packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    commit: said('git', ['describe', '--always', '--dirty']) || 'unknown',
    /** Of the last minute, before anything was started: above zero means that others were at work. */
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** @param {string} name @returns {string} */
function versionOf(name) {
  return JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** @param {string} file @param {string[]} args */
function said(file, args) {
  const { stdout } = spawnSync(file, args, { cwd: ROOT, encoding: 'utf8', timeout: 10_000 });
  return (stdout ?? '').trim();
}
