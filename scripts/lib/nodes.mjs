/** The Parlance nodes of a local run. */

import { isReady } from './net.mjs';
import { NODE_MAIN, ROOT } from './paths.mjs';
import { startChild, untilReady } from './process.mjs';

const READY_DEADLINE_MS = 30_000;

/**
 * @typedef {object} LocalNode
 * @property {string} url
 * @property {import('./process.mjs').Child} child
 */

/**
 * Starts one node and waits until it is ready.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env with HOST and PORT
 * @param {string} url
 * @param {(child: import('./process.mjs').Child) => void} started told at once, so that a failed start is ended too
 * @returns {Promise<LocalNode>}
 */
export async function startNode(name, env, url, started) {
  const child = startChild(name, process.execPath, [NODE_MAIN], { cwd: ROOT, env, marker: NODE_MAIN });
  started(child);
  await untilReady(child, () => isReady(url), READY_DEADLINE_MS);
  return { url, child };
}
