/**
 * The load `idle`: sockets that are open and silent. Measured once; what is opened first does not count. Then all of them are
 * cut off, and come back when that is announced and their rooms are closed: what a connect costs a node that has worked.
 */

import { measure } from './measure.mjs';
import { Stack } from './stack.mjs';
import { membersOf } from './workloads.mjs';

const ROOMS = 250;
const SIZE = 20;

/**
 * @typedef {object} IdleFigures
 * @property {number} sockets
 * @property {number} perSecond connects of those who come back
 * @property {number} cpuMs of nodes and Redis for each of them
 * @property {number} anewMs the same when they came first, to nodes that had just started
 * @property {number} nodeKib resident memory of the nodes for each socket
 * @property {number} nodeKibLive after a garbage collection
 * @property {number} redisBytes for each socket
 */

/** By system. @param {import('./live.mjs').Bench} bench @returns {Promise<Record<string, IdleFigures>>} */
export async function runIdle({ options, systems, say, faults }) {
  /** @type {Record<string, IdleFigures>} */
  const figures = {};
  const rooms = Math.max(2, Math.round(ROOMS * options.size * (options.quick ? 0.2 : 1)));
  for (const system of systems) {
    const stack = await Stack.start(system, { gc: true });
    try {
      /** @type {import('./job.mjs').IdleResult} */
      const result = await measure(stack, {
        speech: system.speech,
        ...(await membersOf(stack, { rooms, size: SIZE, senders: 0 })),
        plan: { kind: 'idle', window: 0, rate: 0, sampleEvery: 1, warmMs: 0, warmCpu: 0, measureMs: 0 },
      });
      const { sockets, anew, back, nodeKib, nodeKibLive, redisBytes, closed, rested } = result;
      /** @param {import('./job.mjs').Opening} opening */
      const perConnect = ({ cpu }) => ((cpu.nodes + cpu.redis) * 1000) / sockets;
      const [cpuMs, anewMs, perSecond] = [perConnect(back), perConnect(anew), sockets / back.seconds];
      figures[system.name] = { sockets, nodeKib, nodeKibLive, redisBytes, cpuMs, anewMs, perSecond };
      say(
        `idle, ${system.name}: ${nodeKib.toFixed(1)} KiB a socket, ${anewMs.toFixed(2)} CPU ms to connect, ${cpuMs.toFixed(2)} to come back, ${perSecond.toFixed(0)} connects/s`,
      );
      if (closed > 0) faults.push(`idle, ${system.name}: ${closed} sockets were closed`);
      if (!rested) faults.push(`idle, ${system.name}: the nodes did not come to rest between the connects`);
    } finally {
      await stack.stop();
    }
  }
  return figures;
}
