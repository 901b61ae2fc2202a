/** Interleaved rounds: in each, every system does every load, in another order each time. */

import { faultOf, measure } from './measure.mjs';
import { Stack } from './stack.mjs';
import { median } from './usage.mjs';
import { LIVE, membersOf, resized } from './workloads.mjs';

const PER = 100_000;

/** @typedef {import('./job.mjs').LiveResult} LiveResult */
/** @typedef {import('./workloads.mjs').Workload} Workload */

/**
 * @typedef {object} Figures medians of the rounds
 * @property {number} cpu seconds of nodes and Redis for 100,000 deliveries
 * @property {number} nodesCpu
 * @property {number} redisCpu
 * @property {number} perSecond deliveries
 * @property {number} p50 ms
 * @property {number} p99
 * @property {number} p999
 * @property {number} clientCpu share of a core that the client took
 * @property {number[]} rounds `cpu` of each
 * @property {number} sent messages, all rounds
 * @property {number} expected deliveries, all rounds
 * @property {number} received
 */

/** Loads by name, then systems by name. @typedef {Record<string, Record<string, Figures>>} LiveFigures */

/**
 * @typedef {object} Bench what every part of a run has
 * @property {import('./options.mjs').Options} options
 * @property {readonly import('./systems.mjs').System[]} systems
 * @property {(line: string) => void} say
 * @property {string[]} faults what makes the run a failure
 */

/** @param {Bench} bench @param {readonly string[]} names of loads @returns {Promise<LiveFigures>} */
export async function runLive(bench, names) {
  const { options, systems } = bench;
  /** @type {Record<string, Record<string, LiveResult[]>>} */
  const results = Object.fromEntries(
    names.map((name) => [name, Object.fromEntries(systems.map((system) => [system.name, []]))]),
  );
  for (let round = 0; round < options.rounds; round += 1) {
    /** @type {Stack[]} */
    const stacks = [];
    for (const system of systems) {
      stacks.push(await Stack.start(system, { profiles: options.profiles }));
    }
    for (const [turn, name] of names.entries()) {
      for (const stack of rotated(stacks, round + turn)) {
        const workload = resized(/** @type {Workload} */ (LIVE[name]), options.size);
        const result = await runOne(bench, stack, workload, `round ${round + 1}, ${name}`);
        results[name]?.[stack.system.name]?.push(result);
      }
    }
    await Promise.all(stacks.map((stack) => stack.stop()));
  }
  return Object.fromEntries(Object.entries(results).map(([name, by]) => [name, mapValues(by, figuresOf)]));
}

/**
 * One load on one stack.
 * @param {Bench} bench
 * @param {Stack} stack
 * @param {Workload} workload
 * @param {string} what for people
 */
export async function runOne({ options, say, faults }, stack, workload, what) {
  const { window, rate, sampleEvery } = workload;
  /** @type {LiveResult} */
  const result = await measure(stack, {
    speech: stack.system.speech,
    ...(await membersOf(stack, workload)),
    plan: {
      kind: rate > 0 ? 'paced' : 'closed',
      window,
      rate,
      sampleEvery,
      warmMs: options.warmMs,
      measureMs: options.seconds * 1000,
    },
  });
  return told({ say, faults }, `${what}, ${stack.system.name}`, result);
}

/**
 * Says what came out, and keeps what went wrong.
 * @param {Pick<Bench, 'say' | 'faults'>} bench
 * @param {string} what
 * @param {LiveResult} result
 */
export function told({ say, faults }, what, result) {
  const { cpu, perSecond, p50, p99 } = figuresOf([result]);
  const fault = faultOf(result);
  say(
    `${what}: ${cpu.toFixed(3)} CPU s per 100k, ${Math.round(perSecond)}/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${fault ? `, FAILED: ${fault}` : ''}`,
  );
  if (fault) faults.push(`${what}: ${fault}`);
  return result;
}

/** @param {readonly LiveResult[]} results of the rounds @returns {Figures} */
export function figuresOf(results) {
  /** @param {(result: LiveResult) => number} value */
  const middle = (value) => median(results.map(value));
  /** @param {(result: LiveResult) => number} value */
  const all = (value) => results.reduce((total, result) => total + value(result), 0);
  const total = (/** @type {LiveResult} */ { cpu, deliveries }) =>
    ((cpu.nodes + cpu.redis) / deliveries) * PER;
  return {
    cpu: middle(total),
    nodesCpu: middle(({ cpu, deliveries }) => (cpu.nodes / deliveries) * PER),
    redisCpu: middle(({ cpu, deliveries }) => (cpu.redis / deliveries) * PER),
    perSecond: middle(({ deliveries, seconds }) => deliveries / seconds),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    p999: middle(({ p999 }) => p999),
    clientCpu: middle(({ clientCpu, seconds }) => clientCpu / seconds),
    rounds: results.map(total),
    sent: all(({ sent }) => sent),
    expected: all(({ expected }) => expected),
    received: all(({ received }) => received),
  };
}

/**
 * @template T
 * @param {readonly T[]} items
 * @param {number} by
 * @returns {T[]}
 */
export function rotated(items, by) {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

/**
 * @template T
 * @template R
 * @param {Record<string, T>} record
 * @param {(value: T) => R} change
 * @returns {Record<string, R>}
 */
function mapValues(record, change) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
