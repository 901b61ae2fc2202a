/**
 * Child processes with a log file, a record on disk, and a bounded end. The record is what lets the
 * next start end what a killed run left behind, and nothing else: a pid alone may be anybody's by then.
 */

import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fault } from './fail.mjs';
import { LOGS, RUN } from './paths.mjs';
import { poll, settlesWithin } from './wait.mjs';

/**
 * @typedef {object} Child
 * @property {string} name
 * @property {string} logFile
 * @property {Promise<string>} exited settles with how it ended, in words
 * @property {() => boolean} alive
 * @property {(signal: NodeJS.Signals, deadlineMs: number) => Promise<void>} stop SIGKILL after the deadline
 * @property {() => void} kill
 */

/**
 * Starts a program in a process group of its own: Ctrl-C in the terminal then reaches this script
 * only, which ends its children in order.
 * @param {string} name
 * @param {string} file
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, marker: string }} options `marker`: text of its
 *   command line that no other program has
 * @returns {Child}
 */
export function startChild(name, file, args, { cwd, env = process.env, marker }) {
  const logFile = join(LOGS, `${name}.log`);
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.old`);
  const log = openSync(logFile, 'w', 0o600);
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);

  const record = join(RUN, `${name}.json`);
  if (child.pid !== undefined) writeFileSync(record, JSON.stringify({ pid: child.pid, marker }));

  let ended = false;
  const exited = new Promise((/** @type {(how: string) => void} */ resolve) => {
    child.once('error', (error) => resolve(`could not start: ${error.message}`));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
  }).then((how) => {
    ended = true;
    rmSync(record, { force: true });
    return how;
  });

  return {
    name,
    logFile,
    exited,
    alive: () => !ended,
    kill: () => void child.kill('SIGKILL'),
    stop: async (signal, deadlineMs) => {
      if (ended) return;
      child.kill(signal);
      if (await settlesWithin(exited, deadlineMs)) return;
      console.error(`${name} did not stop within ${deadlineMs / 1000} s: killed.`);
      child.kill('SIGKILL');
      await settlesWithin(exited, 5000);
    },
  };
}

/**
 * The end of a log, for an error message.
 * @param {string} file
 * @param {number} [lines]
 */
export function tailOf(file, lines = 15) {
  if (!existsSync(file)) return '';
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/**
 * Waits until `probe` says yes.
 * @param {Child} child
 * @param {() => Promise<boolean>} probe
 * @param {number} deadlineMs
 * @throws Fault with the end of its log when the child dies first or the deadline passes
 */
export async function untilReady(child, probe, deadlineMs) {
  const ready = await poll(async () => !child.alive() || (await probe()), deadlineMs);
  if (ready && child.alive()) return;
  const why = child.alive() ? `was not ready within ${deadlineMs / 1000} s` : await child.exited;
  throw new Fault(`${child.name}: ${why}. The end of ${child.logFile}:\n${tailOf(child.logFile)}`);
}

/** Ends what an earlier run that was killed left running. */
export async function endLeftovers() {
  for (const file of readdirSync(RUN).filter((name) => name.endsWith('.json'))) {
    const { pid, marker } = JSON.parse(readFileSync(join(RUN, file), 'utf8'));
    if (commandOf(pid).includes(marker)) {
      console.log(`Ending ${file.replace('.json', '')} (pid ${pid}), left over from a run that was killed.`);
      await endByPid(pid);
    }
    rmSync(join(RUN, file), { force: true });
  }
}

/** @param {number} pid */
async function endByPid(pid) {
  const gone = () => commandOf(pid) === '';
  signalTo(pid, 'SIGTERM');
  if (await poll(gone, 10_000)) return;
  signalTo(pid, 'SIGKILL');
  if (!(await poll(gone, 5000)))
    throw new Fault(`Process ${pid} of an earlier run does not end: stop it first.`);
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function signalTo(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It may have ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/**
 * The command line of a process; empty when there is none (a zombie has none either).
 * @param {number} pid
 */
export function commandOf(pid) {
  if (existsSync('/proc/self/cmdline')) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    } catch {
      return '';
    }
  }
  const ps = spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8', timeout: 5000 });
  return ps.status === 0 ? ps.stdout.trim() : '';
}
