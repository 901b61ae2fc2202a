/** One Redis server of a run. It keeps its port and its data from one start to the next. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { askRedis } from '../../net.mjs';
import { ensureRedis, redisArgs } from '../../redis.mjs';
import { Program } from '../program.mjs';

const READY_MS = 60_000;
const STOP_MS = 20_000;
const ASK_MS = 3_000;
/** A write past the limit of a file's size must fail as it does on a full disk: by default it would end the process. */
const WITHOUT_SIGXFSZ = ['-c', 'trap "" XFSZ; exec "$0" "$@"'];

export class Server {
  name;
  port;
  #dir;
  #logFile;
  #settings;
  /** @type {Program | undefined} */
  #program;

  /** @param {{ name: string, dir: string, port: number, settings: Record<string, string> }} options */
  constructor({ name, dir, port, settings }) {
    this.name = name;
    this.port = port;
    this.#dir = join(dir, name);
    this.#logFile = join(dir, `${name}.log`);
    this.#settings = settings;
    mkdirSync(this.#dir, { recursive: true });
  }

  get alive() {
    return this.#program?.alive ?? false;
  }

  /** Starts it, and waits until it has loaded its data. */
  async start() {
    const args = redisArgs(this.#dir, this.port, this.#settings);
    this.#program = new Program(this.name, '/bin/sh', [...WITHOUT_SIGXFSZ, ensureRedis(), ...args], {
      cwd: this.#dir,
      env: process.env,
      logFile: this.#logFile,
    });
    await this.#program.ready(() => this.answers(), READY_MS);
  }

  async answers() {
    return (await askRedis(this.port, 'PING')).startsWith('+PONG');
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal) {
    await this.#program?.end(signal, STOP_MS);
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#program?.signal(signal);
  }

  /**
   * The answer to one command.
   * @param {string} command
   * @param {...(string | number)} words
   * @returns {Promise<any>}
   */
  async ask(command, ...words) {
    const redis = new Redis({
      host: '127.0.0.1',
      port: this.port,
      lazyConnect: true,
      connectTimeout: ASK_MS,
      commandTimeout: ASK_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // A connection that fails rejects the command: that is told once.
    redis.on('error', () => undefined);
    try {
      return await redis.call(command, ...words);
    } finally {
      redis.disconnect();
    }
  }

  /** A field of INFO. @param {string} section @param {string} name */
  async info(section, name) {
    const text = String(await this.ask('INFO', section));
    return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1];
  }

  /** Whether it answers, has what its primary has (where it is a replica), and writes its append-only file. */
  async well() {
    if (!(await this.answers())) return false;
    const text = String(await this.ask('INFO'));
    return (
      /^aof_last_write_status:ok/m.test(text) &&
      !/^master_link_status:down/m.test(text) &&
      !/^loading:1/m.test(text)
    );
  }

  /** From now on what it appends to its files fails, as if the disk were full. */
  fillDisk() {
    this.#limitFiles(String(largestFile(this.#dir)));
  }

  /** There is room on the disk again. */
  freeDisk() {
    if (this.alive) this.#limitFiles('unlimited');
  }

  // The soft limit alone: an ordinary process may raise that again.
  #limitFiles(/** @type {string} */ bytes) {
    execFileSync('prlimit', ['--pid', String(this.#program?.pid), `--fsize=${bytes}:`]);
  }
}

/** Bytes of the largest file in a directory. @param {string} dir @returns {number} */
function largestFile(dir) {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Math.max(
    0,
    ...entries.map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).size),
  );
}

/** The settings that all servers of a run have in common. @param {string} aof @returns {Record<string, string>} */
export function settingsFor(aof) {
  return {
    appendonly: aof === 'no' ? 'no' : 'yes',
    appendfsync: aof,
    'repl-diskless-sync-delay': '0',
  };
}
