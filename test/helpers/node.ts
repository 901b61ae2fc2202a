/** Parlance nodes as they run in production: the built program, in a process of its own. */

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, startProgram, withLogs } from './process.js';
import { TEST_SECRET } from './token.js';
import { freePort, type Owner, until } from './wait.js';

/** The built program. */
export const NODE_MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const READY_MS = 60_000;
const STOP_MS = 30_000;
const ATTEMPTS = 3;
/** Runs a program with as many file descriptors as the first argument says. */
const LIMITED = 'ulimit -n "$0" && exec "$@"';

export interface NodeOptions {
  /** Limit of open file descriptors; the one of the tests unless given. */
  maxFiles?: number;
}

/** A running node. */
export interface TestNode {
  readonly url: string;
  readonly wsUrl: string;
  readonly port: number;
  readonly pid: number;
  readonly proc: ChildProcess;
  /** Settles with the exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Its newest log lines. */
  logs(): string[];
  /** SIGTERM: drains and ends. Throws when it takes longer than `ms`. */
  stop(ms?: number): Promise<number | null>;
  kill9(): Promise<void>;
  /** Freezes it: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
}

/**
 * Starts `dist/main.js` with this environment and nothing else, and waits until it is ready.
 * Tests give `REDIS_URL` at least; the port is a free one unless `PORT` is given.
 */
export async function startNode(
  t: Owner,
  env: Record<string, string>,
  options: NodeOptions = {},
): Promise<TestNode> {
  // A directory of its own, so that no .env of the checkout is read.
  const cwd = mkdtempSync(join(tmpdir(), 'parlance-node-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  for (let attempt = 1; ; attempt += 1) {
    const port = env.PORT === undefined ? await freePort() : Number(env.PORT);
    const program = launch(t, cwd, { ...env, PORT: String(port) }, options);
    const url = `http://127.0.0.1:${port}`;
    try {
      await untilReady(program, url);
      return nodeOf(program, url, port);
    } catch (error) {
      // Another test may have taken the port in between.
      const again =
        env.PORT === undefined && attempt < ATTEMPTS && program.logs().join().includes('EADDRINUSE');
      if (!again) throw withLogs(error, program.name, program.logs());
    }
  }
}

function launch(t: Owner, cwd: string, env: Record<string, string>, { maxFiles }: NodeOptions): Program {
  const defaults = {
    PATH: process.env.PATH,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    JWT_SECRET: TEST_SECRET,
    RATE_LIMIT_MAX: '0',
    DRAIN_MS: '200',
  };
  const [file, ...args] =
    maxFiles === undefined
      ? [process.execPath, NODE_MAIN]
      : ['/bin/sh', '-c', LIMITED, String(maxFiles), process.execPath, NODE_MAIN];
  return startProgram(t, `node on ${env.PORT}`, file, args, { cwd, env: { ...defaults, ...env } });
}

async function untilReady(program: Program, url: string): Promise<void> {
  await until(`${program.name} is ready`, async () => !program.running() || (await isReady(url)), READY_MS);
  if (!program.running()) throw new Error(`${program.name} ended at once, exit code ${await program.exited}`);
}

/** Whether the node at `url` says that it is ready. */
export async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/readyz`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  });
  await response.body?.cancel();
  return response.status === 200;
}

function nodeOf(program: Program, url: string, port: number): TestNode {
  return {
    url,
    wsUrl: url.replace('http', 'ws'),
    port,
    pid: program.pid,
    proc: program.proc,
    exited: program.exited,
    logs: () => program.logs(),
    stop: (ms = STOP_MS) => program.stop('SIGTERM', ms),
    kill9: async () => void (await program.stop('SIGKILL')),
    pause: () => void program.proc.kill('SIGSTOP'),
    resume: () => void program.proc.kill('SIGCONT'),
  };
}
