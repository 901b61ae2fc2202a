/** Faults, at random moments, one healed before the next. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';
import { KINDS } from './fault-kinds.mjs';

/** @typedef {{ kind: string, what: string, at: number, openMs: number | null, healMs: number | null }} Fault */

const HEAL_DEADLINE_MS = 90_000;

/**
 * Injects faults until the time is up: one at least, each once the one before is healed.
 * @param {object} run
 * @param {readonly string[]} run.kinds
 * @param {import('./stack.mjs').StressStack} run.stack
 * @param {import('./random.mjs').Random} run.random
 * @param {import('./tally.mjs').Tally} run.tally
 * @param {import('./meter.mjs').Meter} run.meter
 * @param {() => boolean} run.whole whether every client is connected
 * @param {number} run.untilAt
 * @param {(line: string) => void} run.say
 * @returns {Promise<Fault[]>}
 */
export async function injectFaults({ kinds, stack, random, tally, meter, whole, untilAt, say }) {
  /** @type {Fault[]} */
  const faults = [];
  if (kinds.length === 0) return faults;
  do {
    await sleep(random.between(1_000, 4_000));
    const kind = random.pick(kinds);
    // A killed node takes its counters along.
    await meter.sample();
    const at = performance.now();
    /** @type {Fault} */
    const fault = { kind, what: '', at, openMs: null, healMs: null };
    faults.push(fault);
    tally.late.push({ at, lateAt: 0 });
    tally.disturbed = true;
    fault.what = await /** @type {import('./fault-kinds.mjs').Kind} */ (KINDS[kind]).inject(stack, random);
    const served = await poll(async () => whole() && (await stack.allReady()), HEAL_DEADLINE_MS);
    if (served) fault.openMs = performance.now() - at;
    // The next one is to meet servers that are all in step: two faults at once are another test.
    const healed = served && (await poll(() => stack.redis.whole(), HEAL_DEADLINE_MS));
    if (!healed) fault.openMs = null;
    // What waited is delivered, before calm counts as calm again.
    await sleep(1_000);
    tally.disturbed = false;
    const healing = healed ? `${(fault.openMs ?? 0).toFixed(0)} ms` : 'NOT IN TIME';
    say(`  ${fault.what}; all connected and ready again after: ${healing}`);
  } while (performance.now() < untilAt - 4_000);
  return faults;
}

/** When the last late delivery came, counted from the fault. @param {Fault[]} faults @param {import('./tally.mjs').Tally} tally */
export function measureHealing(faults, tally) {
  for (const [i, fault] of faults.entries()) {
    const lateAt = tally.late[i]?.lateAt ?? 0;
    fault.healMs = fault.openMs === null ? null : Math.round(lateAt === 0 ? 0 : lateAt - fault.at);
    fault.openMs = fault.openMs === null ? null : Math.round(fault.openMs);
  }
}
