/** A whole run: the loads one after the other, then what they say together. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { runIdle } from './idle.mjs';
import { runLive } from './live.mjs';
import { machineFacts } from './machine.mjs';
import { runHistory } from './pages.mjs';
import { changes, keepRun, lastRun, VERSION } from './past.mjs';
import { report } from './report.mjs';
import { runScale } from './scale.mjs';
import { runSizes } from './sizes.mjs';
import { PARLANCE, SYSTEMS } from './systems.mjs';
import { needProc } from './usage.mjs';
import { runUsers } from './users.mjs';
import { LIVE } from './workloads.mjs';

/**
 * @typedef {object} Results
 * @property {number} version of this shape
 * @property {string} at when it began
 * @property {number} seconds that it took
 * @property {import('./machine.mjs').Machine} machine
 * @property {{ rounds: number, seconds: number, size: number, quick: boolean }} options
 * @property {import('./live.mjs').LiveFigures} live
 * @property {import('./users.mjs').UsersFigures} [users]
 * @property {Record<string, import('./idle.mjs').IdleFigures>} [idle]
 * @property {import('./pages.mjs').HistoryFigures} [history]
 * @property {import('./scale.mjs').ScaleFigures} [scale]
 * @property {import('./sizes.mjs').SizeFigures} [sizes]
 * @property {string[]} faults
 */

/**
 * @param {import('./options.mjs').Options} options
 * @param {(line: string) => void} say
 * @returns {Promise<string[]>} what went wrong
 */
export async function runBench(options, say) {
  needProc();
  if (options.profiles !== undefined) mkdirSync(options.profiles, { recursive: true });
  const started = Date.now();
  const machine = machineFacts();
  const results = await runAll(options, say);
  const { rounds, seconds, size, quick } = options;
  /** @type {Results} */
  const all = {
    version: VERSION,
    at: new Date(started).toISOString(),
    seconds: Math.round((Date.now() - started) / 1000),
    machine,
    options: { rounds, seconds, size, quick },
    ...results,
  };
  say(`\n${report(all)}`);
  const before = options.compare ? lastRun(options.history, options) : undefined;
  if (options.compare)
    say(`\n${before ? changes(before, all) : 'There is no earlier run of this size to compare with.'}`);
  keepRun(options.history, all);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`);
  return all.faults;
}

/** @param {import('./options.mjs').Options} options @param {(line: string) => void} say */
async function runAll(options, say) {
  const systems = SYSTEMS.filter(({ name }) => options.systems.includes(name));
  /** @type {import('./live.mjs').Bench} */
  const bench = { options, systems, say, faults: [] };
  const loads = options.workloads.filter((name) => name in LIVE);
  const wants = (/** @type {string} */ name) => options.workloads.includes(name);
  const own = systems.includes(PARLANCE);
  return {
    live: loads.length > 0 ? await runLive(bench, loads) : {},
    ...(own && wants('users') ? { users: await runUsers(bench) } : {}),
    ...(wants('idle') ? { idle: await runIdle(bench) } : {}),
    ...(own && wants('history') ? { history: await runHistory(bench) } : {}),
    ...(own && wants('scale') ? { scale: await runScale(bench) } : {}),
    ...(own && wants('sizes') ? { sizes: await runSizes(bench) } : {}),
    faults: bench.faults,
  };
}
