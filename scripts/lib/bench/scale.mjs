/** The load `scale`: more nodes, more shards. Measured once for each number of them. */

import { figuresOf, runOne } from './live.mjs';
import { Stack } from './stack.mjs';
import { PARLANCE } from './systems.mjs';
import { LIVE, resized } from './workloads.mjs';

const NODES = [1, 2, 3, 4];
const SHARDS = [1, 2, 3];
/** Enough to see whether it works. */
const QUICK = [1, 3];

/**
 * @typedef {object} ScaleFigures
 * @property {Record<number, import('./live.mjs').Figures>} nodes by number: the load `many`, on one Redis
 * @property {Record<number, import('./live.mjs').Figures>} shards by number: the load `pairs`, on two nodes and a cluster
 */

/** @param {import('./live.mjs').Bench} bench @returns {Promise<ScaleFigures>} */
export async function runScale(bench) {
  /** @type {ScaleFigures} */
  const figures = { nodes: {}, shards: {} };
  for (const nodes of bench.options.quick ? QUICK : NODES) {
    figures.nodes[nodes] = await run(bench, { nodes }, 'many', `scale, nodes ${nodes}`);
  }
  for (const shards of bench.options.quick ? QUICK : SHARDS) {
    figures.shards[shards] = await run(bench, { shards }, 'pairs', `scale, shards ${shards}`);
  }
  return figures;
}

/**
 * @param {import('./live.mjs').Bench} bench
 * @param {import('./stack.mjs').StackOptions} how
 * @param {string} load
 * @param {string} what
 */
async function run(bench, how, load, what) {
  const stack = await Stack.start(PARLANCE, how);
  try {
    const workload = /** @type {import('./workloads.mjs').Workload} */ (LIVE[load]);
    return figuresOf([await runOne(bench, stack, resized(workload, bench.options.size), what)]);
  } finally {
    await stack.stop();
  }
}
