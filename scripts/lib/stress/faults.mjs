/** Faults, at random moments, one healed before the next. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';

/** @typedef {{ kind: string, what: string, at: number, openMs: number | null, healMs: number | null }} Fault */
/** @typedef {import('./stack.mjs').StressStack} StressStack */
/** @typedef {import('./random.mjs').Random} Random */

const PAUSE_MS = 2_000;
const HEAL_DEADLINE_MS = 60_000;

/** Mostly short; now and then long enough for sends to fail. @param {Random} random */
const awayMs = (random) => (random.next() < 0.8 ? random.between(0, 2_500) : random.between(4_000, 8_000));

/** Each injects its fault, undoes it, and says what it did. @type {Record<string, (stack: StressStack, random: Random) => Promise<string>>} */
const KINDS = {
  async 'node-kill'(stack, random) {
    const at = chooseNode(stack, random);
    const away = awayMs(random);
    await stack.endNode(at, 'SIGKILL');
    await sleep(away);
    await stack.startNode(at);
    return `kill -9 of node ${at + 1}, started again after ${away} ms`;
  },
  async drain(stack, random) {
    const at = chooseNode(stack, random);
    await stack.endNode(at, 'SIGTERM');
    await stack.startNode(at);
    return `SIGTERM to node ${at + 1} (${stack.drained.at(-1)}), started again`;
  },
  async 'redis-restart'(stack, random) {
    const away = awayMs(random);
    await stack.endRedis('SIGTERM');
    await sleep(away);
    await stack.startRedis();
    return `SIGTERM to Redis, started again after ${away} ms`;
  },
  async 'redis-kill'(stack, random) {
    const away = awayMs(random);
    await stack.endRedis('SIGKILL');
    await sleep(away);
    await stack.startRedis();
    return `kill -9 of Redis, started again after ${away} ms`;
  },
  async pause(stack) {
    stack.signalRedis('SIGSTOP');
    await sleep(PAUSE_MS);
    stack.signalRedis('SIGCONT');
    return `Redis stopped for ${PAUSE_MS} ms`;
  },
};

/**
 * Any node but the one that started last: that one has hardly any sockets yet.
 * @param {StressStack} stack
 * @param {Random} random
 */
function chooseNode({ nodes }, random) {
  const newest = nodes.reduce((a, b) => (b.startedAt > a.startedAt ? b : a));
  const others = nodes.filter((node) => node !== newest);
  return random.pick(others.length > 0 ? others : nodes).at;
}

export const FAULTS = Object.keys(KINDS);

/**
 * Injects faults until the time is up: one at least, each once the one before is healed.
 * @param {object} run
 * @param {readonly string[]} run.kinds
 * @param {StressStack} run.stack
 * @param {Random} run.random
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
    fault.what = await /** @type {(typeof KINDS)[string]} */ (KINDS[kind])(stack, random);
    const healed = await poll(async () => whole() && (await stack.allReady()), HEAL_DEADLINE_MS);
    if (healed) fault.openMs = performance.now() - at;
    // What waited is delivered, before calm counts as calm again.
    await sleep(1_000);
    tally.disturbed = false;
    const healing = healed ? `${(fault.openMs ?? 0).toFixed(0)} ms` : 'NOT WITHIN A MINUTE';
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
