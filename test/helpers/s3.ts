/** A real object store, in a process of its own: what scripts/up starts too. */

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, startProgram, withLogs } from './process.js';
import { freePort, type Owner, until } from './wait.js';

const MAIN = fileURLToPath(new URL('../../scripts/s3-store.mjs', import.meta.url));
const READY_MS = 20_000;

/** A running store. After `stop`, `restart` brings it back on the same port and files. */
export interface S3Server {
  readonly url: string;
  readonly dir: string;
  /** The settings of nodes that use it. */
  readonly env: Record<'S3_ENDPOINT' | 'S3_ACCESS_KEY' | 'S3_SECRET_KEY', string>;
  /** The keys of all objects that are whole. */
  objects(): string[];
  /** Unfinished multipart uploads. */
  uploads(): string[];
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** Freezes it: connections stay open, nothing answers. */
  pause(): void;
  resume(): void;
}

/** Starts a store and waits until it answers. It ends, and its files go, with the test. */
export async function startS3(t: Owner): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-s3-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    S3_ENDPOINT: url,
    S3_ACCESS_KEY: randomBytes(8).toString('hex'),
    S3_SECRET_KEY: randomBytes(16).toString('hex'),
  };
  const launch = async (): Promise<Program> => {
    const own = { S3_STORE_DIR: dir, S3_STORE_PORT: String(port), PATH: process.env.PATH };
    const program = startProgram(t, `S3 on ${port}`, process.execPath, [MAIN], { env: { ...own, ...env } });
    try {
      await until(
        'the store answers',
        async () => !program.running() || (await fetch(url)).status === 403,
        READY_MS,
      );
      if (!program.running()) throw new Error('the store ended at once');
    } catch (error) {
      throw withLogs(error, program.name, program.logs());
    }
    return program;
  };
  let program = await launch();
  const stop = async () => {
    program.proc.kill('SIGCONT');
    await program.stop('SIGKILL');
  };
  return {
    url,
    dir,
    env,
    objects: () =>
      filesIn(dir)
        .filter((name) => name.endsWith('._S3rver_object'))
        .map(keyOf),
    uploads: () => filesIn(dir).filter((name) => /_S3rver_uploads\/\w+\/key$/.test(name)),
    stop,
    restart: async () => {
      await stop();
      program = await launch();
    },
    pause: () => void program.proc.kill('SIGSTOP'),
    resume: () => void program.proc.kill('SIGCONT'),
  };
}

/** What two bodies are compared by. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' });
}

// <bucket>/<key>._S3rver_object
function keyOf(name: string): string {
  return name.slice(name.indexOf('/') + 1).replace(/\._S3rver_object$/, '');
}
