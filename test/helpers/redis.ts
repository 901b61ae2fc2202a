/** Real, private Redis servers on loopback. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Client,
  connect as connectClient,
  disconnect,
  type RedisTarget,
} from '../../src/redis/connection.js';
import { type Program, startProgram, withLogs } from './process.js';
import { freePort, type Owner, until } from './wait.js';

const READY_MS = 15_000;
/** scripts/test names another where that is what is installed: Valkey, say. */
export const TESTED = process.env.REDIS_SERVER ?? 'redis-server';
/** A write past the limit of a file's size must fail as it does on a full disk: by default it would end the process. */
const WITHOUT_SIGXFSZ = ['-c', 'trap "" XFSZ; exec "$0" "$@"'];
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** How a private Redis is set up. The defaults keep nothing on disk. */
export interface RedisOptions {
  /** The append-only file: none, synced every second, or at every write. */
  aof?: 'no' | 'everysec' | 'always';
  maxmemory?: string;
  port?: number;
  /** The server to run, in place of the one that the tests run on. */
  binary?: string;
  /** More settings, by their names in redis.conf. */
  settings?: Record<string, string>;
}

/** Where a Redis is that a test has started: one server, a Sentinel group, or a cluster. */
export interface RedisPlace {
  /** What a node is told. */
  readonly env: Record<string, string>;
  /** The same for what runs in the test's own process. */
  readonly target: RedisTarget;
}

/** A running Redis. After `stop` or `kill9`, `restart` brings it back on the same port and data. */
export interface RedisServer extends RedisPlace {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly pid: number;
  logs(): string[];
  /** Ends it, in good order unless `signal` says otherwise. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again; a running one is stopped in good order first. */
  restart(): Promise<void>;
  /** Freezes it: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
  /** From now on what it appends to its append-only file fails, as if the disk were full. */
  fillDisk(): void;
  freeDisk(): void;
  /** The raw answer to one inline command. */
  ask(command: string): Promise<string>;
}

/**
 * A server that has WAITAOF (Redis from 7.2, Valkey): the one that the tests run on, or else the Valkey on the PATH;
 * undefined where neither is there.
 */
export function serverWithWaitAof(): string | undefined {
  return [TESTED, 'valkey-server'].find((binary) => {
    const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
    const [, major = 0, minor = 0] = (/\bv=(\d+)\.(\d+)/.exec(stdout ?? '') ?? []).map(Number);
    return major > 7 || (major === 7 && minor >= 2);
  });
}

/** Starts a private Redis and waits until it answers. It ends, and its files go, with the test. */
export async function startRedis(t: Owner, options: RedisOptions = {}): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-redis-'));
  // Registered before the program's own teardown, which therefore runs first: clean-up is last in, first out.
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const port = options.port ?? (await freePort());
  let program = await launch(t, dir, port, options);
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    // A frozen process takes no signal but SIGKILL.
    program.proc.kill('SIGCONT');
    await program.stop(signal);
  };
  const url = `redis://127.0.0.1:${port}`;
  return {
    url,
    env: { REDIS_URL: url },
    target: { urls: [url], cluster: false, sentinels: [], sentinelName: undefined },
    port,
    dir,
    get pid() {
      return program.pid;
    },
    logs: () => program.logs(),
    stop,
    kill9: () => stop('SIGKILL'),
    restart: async () => {
      await stop();
      program = await launch(t, dir, port, options);
    },
    pause: () => void program.proc.kill('SIGSTOP'),
    resume: () => void program.proc.kill('SIGCONT'),
    fillDisk: () => limitFiles(program.pid, String(largestFile(dir))),
    freeDisk: () => limitFiles(program.pid, 'unlimited'),
    ask: (command) => askRedis(port, command),
  };
}

// The soft limit alone: an ordinary process may raise that again.
function limitFiles(pid: number, bytes: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}

/** Bytes of the largest file in `dir` or a folder of it. */
function largestFile(dir: string): number {
  const sizes = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => {
    const stat = statSync(join(dir, name));
    return stat.isFile() ? stat.size : 0;
  });
  return Math.max(0, ...sizes);
}

/** Sends one inline command and answers the raw bytes that come back first. */
export function askRedis(port: number, command: string, ms = 5000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(ms, () => socket.destroy(new Error(`port ${port} does not answer ${command}`)));
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.once('data', (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} closed without an answer to ${command}`)));
  });
}

/** A client as a node has it, for what the test itself asks. It ends with the test. */
export function clientOf(
  t: Owner,
  { target }: RedisPlace,
  role: 'commands' | 'subscriptions' = 'commands',
): Client {
  const client = connectClient(target, role, 'test', QUIET);
  t.teardown(() => disconnect(client));
  return client;
}

async function launch(t: Owner, dir: string, port: number, options: RedisOptions): Promise<Program> {
  const args = Object.entries(settingsOf(dir, port, options)).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
  const program = startProgram(
    t,
    `Redis on ${port}`,
    '/bin/sh',
    [...WITHOUT_SIGXFSZ, options.binary ?? TESTED, ...args],
    {
      cwd: dir,
      env: { PATH: process.env.PATH },
    },
  );
  try {
    await until(
      `Redis answers on port ${port}`,
      async () => !program.running() || (await askRedis(port, 'PING')).startsWith('+PONG'),
      READY_MS,
    );
    if (!program.running()) throw new Error(`Redis on port ${port} ended at once`);
  } catch (error) {
    throw withLogs(error, program.name, program.logs());
  }
  return program;
}

function settingsOf(dir: string, port: number, options: RedisOptions): Record<string, string> {
  const aof = options.aof ?? 'no';
  return {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    appendonly: aof === 'no' ? 'no' : 'yes',
    appendfsync: aof,
    maxmemory: options.maxmemory ?? '0',
    'maxmemory-policy': 'noeviction',
    ...options.settings,
  };
}
