/** Keeps the load up for the time given, while faults come; then waits until all is answered. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';
import { injectFaults } from './faults.mjs';

const TICK_MS = 10;
/** Each client asks for a cursor that often, or as seldom as makes so many a second of all. */
const MARK_EVERY_MS = 2_000;
const MARKS_A_SECOND = 500;
const LOOK_EVERY_MS = 500;
/** Any send on an open socket is answered in this time, one way or the other. */
const ANSWER_MS = 12_000;
const SETTLE_MS = 45_000;
const ESTABLISH_MS = 60_000;

/** @typedef {import('./client.mjs').Client} Client */

/**
 * @param {object} run
 * @param {import('./options.mjs').Options} run.options
 * @param {import('./stack.mjs').StressStack} run.stack
 * @param {import('./meter.mjs').Meter} run.meter
 * @param {import('./client.mjs').World} run.world
 * @param {readonly Client[]} run.clients
 * @param {import('./random.mjs').Random} run.random
 * @param {() => void} run.send one more message
 * @param {() => boolean} [run.busy] whether work besides sockets is under way still
 * @param {(clients: readonly Client[]) => Promise<void>} [run.during] done while the load is up, which lasts until it is over
 * @param {(line: string) => void} run.say
 */
export async function drive({
  options,
  stack,
  meter,
  world,
  clients,
  random,
  send,
  busy = () => false,
  during = async () => undefined,
  say,
}) {
  const { tally, ledger, state } = world;
  const startAt = performance.now();
  const untilAt = startAt + options.seconds * 1000;
  const watch = setInterval(() => lookAfter(world, clients), LOOK_EVERY_MS);
  const markEveryMs = Math.max(MARK_EVERY_MS, (clients.length / MARKS_A_SECOND) * 1000);
  const marks = setInterval(() => spread(clients, markEveryMs), markEveryMs);
  meter.start(1_000);
  let sent = 0;
  let over = false;
  const load = (async () => {
    while (!over) {
      state.disturbed = tally.disturbed;
      const due = ((performance.now() - startAt) / 1000) * options.rate;
      for (; sent < due; sent += 1) send();
      await sleep(TICK_MS);
    }
  })();
  const whole = () => clients.every((client) => client.isOpen);
  const faults = await injectFaults({
    kinds: options.faults,
    stack,
    random,
    tally,
    meter,
    whole,
    untilAt,
    say,
  });
  await during(clients);
  await sleep(Math.max(0, untilAt - performance.now()));
  over = true;
  await load;
  const seconds = (performance.now() - startAt) / 1000;
  const answered = () => clients.every(({ pending }) => pending.size === 0) && !busy();
  await poll(() => answered() && whole(), SETTLE_MS);
  clearInterval(watch);
  clearInterval(marks);
  meter.stop();
  await meter.sample();
  return { faults, seconds, unanswered: ledger.entries.length - ledger.acknowledged };
}

/**
 * Connects so many at once, and waits until each has a place to resume from.
 * @param {readonly Client[]} clients
 */
export async function establish(clients) {
  for (const [i, client] of clients.entries()) {
    void client.connect();
    if (i % 100 === 99)
      await poll(() => clients.slice(0, i + 1).every(({ isOpen }) => isOpen), ESTABLISH_MS, 5);
  }
  await Promise.race([
    Promise.all(clients.map(({ established }) => established)),
    sleep(ESTABLISH_MS, undefined, { ref: false }).then(() => {
      throw new Error(`not all ${clients.length} sockets were live within ${ESTABLISH_MS / 1000} s`);
    }),
  ]);
}

/** Repeats what nothing answered. @param {import('./client.mjs').World} world @param {readonly Client[]} clients */
function lookAfter({ tally }, clients) {
  const now = performance.now();
  for (const client of clients) {
    if (!client.isOpen) continue;
    for (const entry of client.pending) {
      if (now - entry.lastAt < ANSWER_MS) continue;
      if (entry.lastAt > 0) tally.silent += 1;
      client.attempt(entry);
    }
  }
}

/** Asks for cursors, not all in one turn. @param {readonly Client[]} clients @param {number} overMs */
function spread(clients, overMs) {
  for (const [i, client] of clients.entries()) setTimeout(() => client.mark(), (i / clients.length) * overMs);
}
