/** A whole run: the loads one after the other, then what they say together. */

import { runLive } from './live.mjs';
import { liveTables } from './report.mjs';
import { SYSTEMS } from './systems.mjs';
import { needProc } from './usage.mjs';
import { LIVE } from './workloads.mjs';

/**
 * @param {import('./options.mjs').Options} options
 * @param {(line: string) => void} say
 * @returns {Promise<string[]>} what went wrong
 */
export async function runBench(options, say) {
  needProc();
  /** @type {string[]} */
  const faults = [];
  const systems = SYSTEMS.filter(({ name }) => options.systems.includes(name));
  const bench = { options, systems, say, faults };
  const live = await runLive(
    bench,
    options.workloads.filter((name) => name in LIVE),
  );
  say(liveTables(live));
  return faults;
}
