/** Programs that are no npm packages (redis-server, haproxy, chromium): found, or installed by the system's manager. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Fault } from './fail.mjs';

/**
 * @typedef {object} Program
 * @property {string[]} binaries names it goes by; the first found is taken
 * @property {Record<string, string[]>} packages per package manager, tried in this order
 */

/** @type {Program} */
export const REDIS = {
  binaries: ['redis-server', 'valkey-server'],
  packages: {
    'apt-get': ['redis-server', 'valkey-server'],
    dnf: ['redis', 'valkey'],
    apk: ['redis', 'valkey'],
    brew: ['redis'],
  },
};

/** @type {Program} */
export const HAPROXY = {
  binaries: ['haproxy'],
  packages: { 'apt-get': ['haproxy'], dnf: ['haproxy'], apk: ['haproxy'], brew: ['haproxy'] },
};

/** @type {Program} */
export const CHROMIUM = {
  binaries: ['chromium', 'chromium-browser', 'google-chrome'],
  packages: { 'apt-get': ['chromium'], dnf: ['chromium'], apk: ['chromium'] },
};

/** Administrators' directories, which an ordinary user's PATH often lacks, and Homebrew's. */
const MORE_DIRS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

/**
 * @typedef {object} Manager
 * @property {string} name
 * @property {string[][]} prepare
 * @property {string[]} install
 */

/** @type {Manager[]} */
const MANAGERS = [
  {
    name: 'apt-get',
    prepare: [['update', '-qq']],
    install: ['install', '-y', '-qq', '--no-install-recommends'],
  },
  { name: 'dnf', prepare: [], install: ['install', '-y', '-q'] },
  { name: 'apk', prepare: [], install: ['add', '--no-cache'] },
  { name: 'brew', prepare: [], install: ['install', '-q'] },
];

/**
 * The path of the first of these programs that is installed.
 * @param {string[]} names
 * @returns {string | undefined}
 */
export function findProgram(names) {
  const dirs = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...MORE_DIRS];
  return names.flatMap((name) => dirs.map((dir) => join(dir, name))).find(isExecutable);
}

/**
 * The path of the program, installed first where it is missing.
 * @param {Program} program
 * @param {string} [otherwise] what one can do without it
 * @returns {string}
 * @throws Fault that says what to install, and how
 */
export function ensureProgram(program, otherwise = '') {
  const found = findProgram(program.binaries);
  if (found) return found;
  const manager = MANAGERS.find(({ name }) => findProgram([name]) !== undefined);
  const packages = manager ? (program.packages[manager.name] ?? []) : [];
  if (manager) installAny(manager, packages);
  const installed = findProgram(program.binaries);
  if (installed) return installed;
  const how = manager
    ? `, for example: ${asRoot(manager)}${manager.name} ${manager.install[0]} ${packages[0]}`
    : '';
  const missing = `${program.binaries[0]} is missing and could not be installed.`;
  throw new Fault(`${missing} Install it${how}${otherwise && `; ${otherwise}`}.`);
}

/** @param {Manager} manager @param {string[]} packages */
function installAny(manager, packages) {
  const prefix = rootPrefix(manager);
  if (!prefix) return;
  /** @param {string[]} args */
  const call = (args) => {
    const [file = manager.name, ...rest] = [...prefix, manager.name, ...args];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    return (
      spawnSync(file, rest, { stdio: ['ignore', 'inherit', 'inherit'], timeout: 300_000, env }).status === 0
    );
  };
  console.log(`Installing ${packages[0]} (${manager.name}) ...`);
  // A stale package list is no reason to stop: the install itself tells whether it mattered.
  for (const args of manager.prepare) call(args);
  packages.some((name) => call([...manager.install, name]));
}

/**
 * What to put before the command so that it may install; undefined when this user may not.
 * @param {Manager} manager
 */
function rootPrefix(manager) {
  if (asRoot(manager) === '') return [];
  const sudo = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore', timeout: 10_000 });
  // sudo drops the environment; DEBIAN_FRONTEND has to be named again behind it.
  return sudo.status === 0 ? ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive'] : undefined;
}

/** @param {Manager} manager */
function asRoot(manager) {
  return manager.name === 'brew' || process.getuid?.() === 0 ? '' : 'sudo ';
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
