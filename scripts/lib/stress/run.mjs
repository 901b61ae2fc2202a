/** One run of one seed: sets up, lets the scenario do its work, and clears up whatever happens. */

import { mintToken } from '../token.mjs';
import { allowanceOf } from './fault-kinds.mjs';
import { measureHealing } from './faults.mjs';
import { Ledger } from './ledger.mjs';
import { runCrowd } from './load-crowd.mjs';
import { runHistory } from './load-history.mjs';
import { runMixed } from './load-mixed.mjs';
import { runPairs } from './load-pairs.mjs';
import { runRejoin } from './load-rejoin.mjs';
import { runRolling } from './load-rolling.mjs';
import { runRooms } from './load-rooms.mjs';
import { Meter } from './meter.mjs';
import { Random } from './random.mjs';
import { SECRET, StressStack } from './stack.mjs';
import { Tally } from './tally.mjs';

/**
 * @typedef {object} Run
 * @property {import('./options.mjs').Options} options
 * @property {StressStack} stack
 * @property {Meter} meter
 * @property {import('./client.mjs').World} world
 * @property {Random} random
 * @property {import('./check.mjs').Allowance} allowed
 * @property {(user: string) => Promise<string>} token
 * @property {(line: string) => void} say
 */

const ROLLED_BACK = 'parlance_feed_rolled_back_messages_total';

/** @type {Record<string, (run: Run) => Promise<Outcome>>} */
const SCENARIOS = {
  rooms: runRooms,
  pairs: runPairs,
  mixed: runMixed,
  history: runHistory,
  crowd: runCrowd,
  rejoin: runRejoin,
  rolling: runRolling,
};

/**
 * @typedef {object} Outcome
 * @property {import('./check.mjs').Findings} findings
 * @property {import('./faults.mjs').Fault[]} [faults]
 * @property {number} [seconds]
 * @property {number} [unanswered]
 * @property {readonly number[]} [retracted] by node: messages that readers were shown through it and the log has no more
 * @property {Record<string, unknown>} [figures] what only this scenario measures
 * @property {string[]} [failures] in words
 */

/** @typedef {ReturnType<typeof resultOf>} Result */

/**
 * @param {import('./options.mjs').Options} options
 * @param {number} seed
 * @param {(stack: StressStack) => void} started
 */
export async function runOnce(options, seed, started) {
  const { aof, durability, scenario, faults, topology } = options;
  const stack = new StressStack({
    topology,
    aof,
    slow: faults.includes('latency'),
    env: { DURABILITY: durability, NODE_OPTIONS: options.nodeOptions, ...environmentOf(scenario) },
  });
  started(stack);
  const meter = new Meter(stack);
  const random = new Random(seed);
  const tally = new Tally();
  const state = { disturbed: false };
  const allowed = allowanceOf(options);
  let failed = true;
  try {
    await stack.start(options.nodes);
    const bases = stack.nodes.map(({ url }) => url);
    const shown = bases.map(() => new Set());
    const world = { bases, ledger: new Ledger(`s${seed}`), tally, random, state, shown };
    const outcome = await /** @type {(run: Run) => Promise<Outcome>} */ (SCENARIOS[scenario])({
      options,
      stack,
      meter,
      world,
      random,
      allowed,
      token: (user) => mintToken({ JWT_SECRET: SECRET }, user),
      say: console.log,
    });
    await meter.sample();
    measureHealing(outcome.faults ?? [], tally);
    const result = resultOf(seed, outcome, world, { meter, stack, allowed });
    failed = !result.passed;
    return result;
  } finally {
    meter.stop();
    await stack.stop({ keep: options.keep || failed });
    if (options.keep || failed) console.log(`  logs and data: ${stack.dir}`);
  }
}

/** @param {string} scenario @returns {NodeJS.ProcessEnv} */
function environmentOf(scenario) {
  if (scenario === 'rolling') return { DRAIN_MS: '10000' };
  if (['rooms', 'pairs', 'mixed'].includes(scenario)) return {};
  return { SOCKET_RATE: '0' };
}

/**
 * @param {number} seed
 * @param {Outcome} outcome
 * @param {import('./client.mjs').World} world
 * @param {{ meter: Meter, stack: StressStack, allowed: import('./check.mjs').Allowance }} run
 */
function resultOf(seed, outcome, { ledger, tally }, { meter, stack, allowed }) {
  const { findings, faults = [], seconds = 0, unanswered = 0, figures = {}, failures = [] } = outcome;
  const lost = findings.lostFromLog + findings.lostAtReaders;
  const duplicated = findings.duplicatedInLog + findings.duplicatedAtReaders;
  const why = [...failures];
  const badEnds = stack.drained.filter((how) => how !== 'exit code 0');
  if (badEnds.length > 0) why.push(`nodes that drained ended with ${badEnds.join(', ')}`);
  const unhealed = faults.filter(({ openMs }) => openMs === null).length;
  if (unhealed > 0) why.push(`${unhealed} faults were not healed`);
  if (findings.resets > 0 && !allowed.shown) why.push(`${findings.resets} readers were told to start over`);
  if (unanswered > 0) why.push(`${unanswered} sends were never acknowledged`);
  for (const { program } of stack.nodes) if (!program.alive) why.push(`${program.name} ended by itself`);
  const counted = meter.byNode(ROLLED_BACK);
  const lived = stack.nodes.every(({ starts }) => starts === 1);
  // A repeat may have been stored where the first attempt was: that one is counted, and looks as if it had never gone.
  const repeats = ledger.attempts - ledger.entries.length;
  const agree = outcome.retracted?.every((gone, i) => {
    const surplus = (counted[i] ?? 0) - gone;
    return surplus >= 0 && surplus <= repeats;
  });
  if (agree === false && lived && findings.resets === 0)
    why.push(
      `nodes showed ${outcome.retracted} messages that are gone, and counted ${counted} as rolled back`,
    );
  return {
    seed,
    passed: lost + duplicated + findings.reordered === 0 && why.length === 0,
    failures: why,
    seconds: Math.round(seconds),
    sent: ledger.entries.length,
    attempts: ledger.attempts,
    acknowledged: ledger.acknowledged,
    received: tally.received,
    lost,
    duplicated,
    reordered: findings.reordered,
    findings,
    unanswered,
    silent: tally.silent,
    errors: Object.fromEntries(tally.errors),
    closes: Object.fromEntries(tally.closes),
    refusals: Object.fromEntries(tally.refusals),
    gaps: meter.total('parlance_feed_gaps_total'),
    recovered: meter.total('parlance_feed_recovered_messages_total'),
    rollbacks: meter.total('parlance_feed_rollbacks_total'),
    rolledBackAtNodes: { counted, shown: outcome.retracted },
    deafness: meter.total('parlance_deafness_total'),
    logReads: meter.total('parlance_log_reads_total'),
    deliveryMs: { p50: tally.delivery.percentile(0.5), p99: tally.delivery.percentile(0.99) },
    calmMs: { p50: tally.calm.percentile(0.5), p99: tally.calm.percentile(0.99) },
    faults: faults.map(({ kind, what, openMs, healMs }) => ({ kind, what, openMs, healMs })),
    complaints: stack.complaints(),
    figures,
  };
}
