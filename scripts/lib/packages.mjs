/** npm packages and the build: made when they are missing or older than what they are made from. */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './fail.mjs';
import { NODE_MAIN, ROOT } from './paths.mjs';

const MINUTE_MS = 60_000;
/** Written after a build that succeeded: the compiler emits files even where it finds faults. */
const BUILT = join(ROOT, 'dist', '.built');

/** Installs the packages of package-lock.json, unless exactly these are installed already. */
export function ensurePackages() {
  if (packagesMatchLock()) return;
  console.log('Installing npm packages (npm ci) ...');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], 10 * MINUTE_MS);
}

/** Compiles src into dist when anything there is newer than the last build. */
export function ensureBuild() {
  const sources = ['tsconfig.json', 'src/tsconfig.json', 'package-lock.json'].map((name) => join(ROOT, name));
  const newest = Math.max(newestIn(join(ROOT, 'src')), ...sources.map((file) => statSync(file).mtimeMs));
  if (existsSync(NODE_MAIN) && existsSync(BUILT) && statSync(BUILT).mtimeMs >= newest) return;
  console.log('Building ...');
  const started = new Date();
  run('npm', ['run', '--silent', 'build'], 3 * MINUTE_MS);
  writeFileSync(BUILT, '');
  // What was edited while the compiler ran may have been missed.
  utimesSync(BUILT, started, started);
}

/**
 * Runs a program to its end, its output shown.
 * @param {string} file
 * @param {string[]} args
 * @param {number} deadlineMs
 * @throws Fault when it fails
 */
export function run(file, args, deadlineMs) {
  const result = spawnSync(file, args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: deadlineMs,
  });
  const command = [file, ...args].join(' ');
  if (result.error) throw new Fault(`${command}: ${result.error.message}`);
  if (result.status !== 0) throw new Fault(`${command} failed (exit code ${result.status}).`);
}

/**
 * npm leaves a copy of the lock in node_modules. Contents are compared, not times: a fresh checkout
 * makes every file new.
 */
function packagesMatchLock() {
  const copy = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(copy)) return false;
  const installed = readLock(copy);
  return Object.entries(readLock(join(ROOT, 'package-lock.json'))).every(([path, entry]) => {
    if (path === '') return true;
    const there = installed[path];
    // Optional ones are absent where they are for another platform.
    return there ? there.version === entry.version : entry.optional === true;
  });
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function readLock(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/** @param {string} dir */
function newestIn(dir) {
  let newest = 0;
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    // Directories count too: their time changes when a file is removed. (Node 20.12 has `path` only.)
    newest = Math.max(newest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return newest;
}
