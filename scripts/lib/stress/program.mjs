/** One process that a stress run started: with a log file, and gone when the run is. */

import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { Fault } from '../fail.mjs';
import { tailOf } from '../process.mjs';
import { poll, settlesWithin } from '../wait.mjs';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Program {
  name;
  logFile;
  #child;
  #ended = false;
  /** @type {Promise<string>} settles with how it ended */
  exited;

  /**
   * @param {string} name
   * @param {string} file
   * @param {string[]} args
   * @param {{ cwd: string, env: NodeJS.ProcessEnv, logFile: string }} options
   */
  constructor(name, file, args, { cwd, env, logFile }) {
    this.name = name;
    this.logFile = logFile;
    const log = openSync(logFile, 'a', 0o600);
    // A group of its own: Ctrl-C reaches the run alone, which then ends its processes in order.
    const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    running.add(child);
    this.exited = new Promise((/** @type {(how: string) => void} */ resolve) => {
      child.once('error', (error) => resolve(`could not start: ${error.message}`));
      child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
    }).then((how) => {
      this.#ended = true;
      running.delete(child);
      return how;
    });
  }

  get pid() {
    return this.#child.pid ?? 0;
  }

  get alive() {
    return !this.#ended;
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    if (!this.#ended) this.#child.kill(signal);
  }

  /**
   * Sends `signal` and waits for the end; past the deadline it is killed.
   * @param {NodeJS.Signals} signal
   * @param {number} deadlineMs
   * @returns {Promise<string>} how it ended
   */
  async end(signal, deadlineMs) {
    // A stopped process takes no signal but SIGKILL.
    this.signal('SIGCONT');
    this.signal(signal);
    if (!(await settlesWithin(this.exited, deadlineMs))) this.signal('SIGKILL');
    return this.exited;
  }

  /** Waits until `probe` says yes. @param {() => Promise<boolean>} probe @param {number} deadlineMs */
  async ready(probe, deadlineMs) {
    const ready = await poll(async () => !this.alive || (await probe()), deadlineMs, 25);
    if (ready && this.alive) return;
    const why = this.alive ? `was not ready within ${deadlineMs / 1000} s` : await this.exited;
    throw new Fault(`${this.name}: ${why}. The end of its log:\n${tailOf(this.logFile)}`);
  }

  /** How many file descriptors it has open. */
  get descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resident memory in MB, as the kernel counts it. */
  get residentMb() {
    const pages = Number(readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ')[1]);
    return (pages * 4096) / 2 ** 20;
  }
}
