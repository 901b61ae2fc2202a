/** Child processes of a test: their last lines are kept, and none outlives the test. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Owner, within } from './wait.js';

const KEPT_LINES = 2000;
const EXIT_MS = 15_000;
/** How long after its end a program's last lines are waited for: a child of its own may keep the pipe. */
const LAST_LINES_MS = 1000;

/** A started program. `exited` settles with its exit code, or null when a signal ended it; its last lines are in the logs then. */
export interface Program {
  readonly name: string;
  readonly proc: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<number | null>;
  running(): boolean;
  /** Its newest output, standard output and error together. */
  logs(): string[];
  /** Sends `signal` and waits for the end; past the deadline it is killed and this throws. */
  stop(signal?: NodeJS.Signals, ms?: number): Promise<number | null>;
}

const alive = new Set<ChildProcess>();

// A test that calls process.exit, or throws outside of a test, runs no teardown.
process.once('exit', () => {
  for (const proc of alive) proc.kill('SIGKILL');
});

/** Starts a program with exactly the environment given, and kills it when the test is over. */
export function startProgram(
  t: Owner,
  name: string,
  file: string,
  args: string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'>,
): Program {
  const proc = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = keepLines(proc);
  let running = true;
  alive.add(proc);
  const exited = new Promise<number | null>((resolve) => {
    const end = (code: number | null): void => {
      running = false;
      alive.delete(proc);
      const settle = () => resolve(code);
      proc.once('close', settle);
      setTimeout(settle, LAST_LINES_MS).unref();
    };
    proc.once('exit', end);
    proc.once('error', (error) => {
      lines.push(String(error));
      if (proc.pid === undefined) end(-1);
    });
  });

  const stop = async (signal: NodeJS.Signals = 'SIGTERM', ms = EXIT_MS): Promise<number | null> => {
    if (running) proc.kill(signal);
    try {
      return await within(`${name} ends on ${signal}`, exited, ms);
    } catch (error) {
      proc.kill('SIGKILL');
      throw withLogs(error, name, lines);
    }
  };
  t.teardown(() => (running ? stop('SIGKILL') : undefined));
  return { name, proc, pid: proc.pid ?? -1, exited, running: () => running, logs: () => [...lines], stop };
}

/** An error that ends with the last lines of a program. */
export function withLogs(error: unknown, name: string, lines: readonly string[]): Error {
  const message = error instanceof Error ? error.message : String(error);
  const tail = lines.slice(-40).join('\n');
  return new Error(`${message}\nThe last lines of ${name}:\n${tail}`, { cause: error });
}

function keepLines(proc: ChildProcess): string[] {
  const lines: string[] = [];
  for (const stream of [proc.stdout, proc.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.splice(0, lines.length - KEPT_LINES);
    });
  }
  return lines;
}
