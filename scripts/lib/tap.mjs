/** Runs tap, shows one line for each file that passed and everything about one that failed, and counts. */

import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { LOGS, ROOT } from './paths.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Totals */

/** Twice the time that all of it should take. */
const DEADLINE_MS = 20 * 60_000;
const KILL_MS = 10_000;

/**
 * @param {string} node binary to run on
 * @param {string[]} files
 * @param {Record<string, string>} env more than this process has
 * @returns {Promise<Totals>}
 */
export async function runTap(node, files, env) {
  const tap = join(ROOT, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs');
  const raw = createWriteStream(join(LOGS, 'test.tap'));
  const child = spawn(node, [tap, '--reporter=tap', '--no-color', ...files], {
    cwd: ROOT,
    // Helpers that look for `node` on the PATH find the same one.
    env: { ...process.env, ...env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const late = setTimeout(() => end(child), DEADLINE_MS);
  const view = new TapView();
  for await (const line of createInterface({ input: child.stdout })) {
    raw.write(`${line}\n`);
    for (const shown of view.take(line)) console.log(shown);
  }
  const code = await exitOf(child);
  clearTimeout(late);
  raw.end();
  for (const shown of view.rest()) console.log(shown);
  return totalsOf(view.totals, code);
}

/** @param {import('node:child_process').ChildProcess} child */
function end(child) {
  console.error(`The tests did not end within ${DEADLINE_MS / 60_000} minutes.`);
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), KILL_MS).unref();
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number | null>}
 */
function exitOf(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', resolve));
}

/**
 * @param {string | undefined} line `# { total: 9, pass: 7, fail: 1, skip: 1 }`
 * @param {number | null} code
 * @returns {Totals}
 */
function totalsOf(line, code) {
  /** @param {string} name */
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line ?? '')?.[1] ?? 0);
  const failed = count('fail');
  if (code !== 0 && failed === 0)
    console.error(`tap ended with ${code ?? 'a signal'} but counted no failure.`);
  return {
    passed: count('pass'),
    failed: code !== 0 ? Math.max(failed, 1) : failed,
    skipped: count('skip') + count('todo'),
  };
}

/**
 * The runner's stream holds the output of one file after the other: `# Subtest: file`, indented
 * lines, and `ok` or `not ok` with the file's name. That last line decides what is shown.
 */
class TapView {
  /** @type {string | undefined} */
  totals;
  /** @type {string[]} */
  #held = [];
  /** Whether the details of a failed file are passing by. */
  #failing = false;

  /**
   * @param {string} line
   * @returns {string[]} what to show now
   */
  take(line) {
    if (line.startsWith('# { total:')) this.totals = line;
    if (line.startsWith('not ok ')) {
      this.#failing = true;
      return [...this.rest(), line];
    }
    const starts = line.startsWith('# Subtest: ');
    const ok = line.startsWith('ok ');
    if (starts || ok) this.#failing = false;
    if (ok) this.#held = [];
    if (!starts && (this.#failing || !line.startsWith('    '))) return line === '' ? [] : [line];
    this.#held.push(line);
    return [];
  }

  /** What is held back still: the output of a file that did not come to its end. */
  rest() {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
