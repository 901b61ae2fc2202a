/** What a Redis of any shape can be asked for by a run, and the shapes there are. */

import { ClusterTopology } from './cluster.mjs';
import { OneTopology } from './one.mjs';
import { SentinelTopology } from './sentinel.mjs';

/**
 * @typedef {object} TopologyOptions
 * @property {string} dir where everything of it lies
 * @property {string} aof appendfsync of the append-only file; `no` also stands for none at all on one Redis
 * @property {() => Promise<number>} port one that nothing listens on
 * @property {boolean} slow whether nodes reach it over a link that can be made slow
 */

/**
 * @typedef {import('./server.mjs').Server} Server
 *
 * @typedef {object} Topology
 * @property {NodeJS.ProcessEnv} env where nodes are told to find it
 * @property {readonly Server[]} servers
 * @property {() => Promise<void>} start
 * @property {() => Promise<Server[]>} primaries who takes writes now, asked of the living
 * @property {() => Promise<boolean>} whole whether every server answers, can write to its disk, and is in step
 * @property {(old: Server) => Promise<boolean>} succeeded whether another server has taken the place of a primary
 * @property {() => Promise<void>} stop
 * @property {(ms: number) => void} [delay] how long everything takes on its way to Redis, and again on its way back
 * @property {(random: import('../random.mjs').Random) => Promise<string>} [migrate] moves slots that hold keys, and says which
 */

/** @type {Record<string, new (options: TopologyOptions) => Topology>} */
const SHAPES = { one: OneTopology, sentinel: SentinelTopology, cluster: ClusterTopology };

/** @param {string} shape @param {TopologyOptions} options @returns {Topology} */
export function createTopology(shape, options) {
  const Shape = SHAPES[shape];
  if (!Shape) throw new Error(`no topology ${shape}`);
  return new Shape(options);
}
