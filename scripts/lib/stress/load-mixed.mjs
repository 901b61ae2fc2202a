/** The scenario `mixed`: every dialect, sockets and HTTP, for long, while memory and file descriptors of the nodes are watched. */

import { runPairs } from './load-pairs.mjs';
import { Watch } from './watch.mjs';

/** How much more memory the last third may have than the middle third, and how many more descriptors than both before. */
const MEMORY_GROWTH = 1.05;
const MORE_DESCRIPTORS = 5;

/** @param {import('./run.mjs').Run} run */
export async function runMixed(run) {
  const { stack } = run;
  const watches = stack.nodes.map(({ program }) => new Watch(program));
  const watched = (/** @type {boolean} */ on) => {
    for (const watch of watches) on ? watch.start() : watch.stop();
  };
  /** @type {import('./run.mjs').Outcome} */
  const outcome = await runPairs(run, watched);
  /** @type {Record<string, unknown>} */
  const figures = { ...outcome.figures };
  const failures = [...(outcome.failures ?? [])];
  for (const [i, watch] of watches.entries()) {
    const { memoryMb, descriptors } = watch.thirds();
    figures[`node ${i + 1}, medians by third`] = { 'resident MB': memoryMb, descriptors };
    const [, middle = 0, last = 0] = memoryMb;
    if (last > middle * MEMORY_GROWTH)
      failures.push(`the memory of node ${i + 1} grows: ${memoryMb.join(', ')} MB`);
    // How many requests are under way at once varies: a leak grows from each third to the next.
    const [open = 0, openThen = 0, openLast = 0] = descriptors;
    if (openLast > Math.max(open, openThen) + MORE_DESCRIPTORS)
      failures.push(`node ${i + 1} leaks file descriptors: ${descriptors.join(', ')}`);
  }
  return { ...outcome, figures, failures };
}
