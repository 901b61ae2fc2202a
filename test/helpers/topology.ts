/**
 * The Redis that the nodes of a test run on: one server, a Sentinel group, or a cluster, as TEST_TOPOLOGY says. Tests that
 * only need some Redis start it here; a test that is about one kind of it says so.
 */

import { type RedisOptions, type RedisPlace, type RedisServer, startRedis } from './redis.js';
import { startRedisCluster } from './redis-cluster.js';
import { startSentinels } from './redis-sentinel.js';
import type { Owner } from './wait.js';

const TOPOLOGIES = ['one', 'sentinel', 'cluster'] as const;
type Topology = (typeof TOPOLOGIES)[number];

/** What this run of the tests is on. */
export const TOPOLOGY: Topology = (() => {
  const given = process.env.TEST_TOPOLOGY || 'one';
  const found = TOPOLOGIES.find((each) => each === given);
  if (!found) throw new Error(`TEST_TOPOLOGY is ${given}: it must be one of ${TOPOLOGIES.join(', ')}`);
  return found;
})();

/** A server that is silent for less counts as alive: nothing is to fail over because the machine is busy. */
const PATIENCE_MS = 15_000;

/** Some Redis, whatever it is made of. */
export interface AnyRedis extends RedisPlace {
  /** The raw answer of whoever has the key of one inline command. */
  ask(command: string): Promise<string>;
  /** The raw answers of all who take writes. */
  askAll(command: string): Promise<string[]>;
  /** Ends every server of it, in good order unless `signal` says otherwise. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  kill9(): Promise<void>;
  /** Brings back what was ended, on the same ports and data. */
  restart(): Promise<void>;
}

/** Options for tap of a test that makes sense on one topology only, and the reason, which is shown where it is skipped. */
export function onlyOn(topology: Topology, reason: string): { skip: string | false } {
  return { skip: TOPOLOGY === topology ? false : reason };
}

/** The same for a test that is the same on all of them, since it brings servers of its own. */
export const OWN_SERVERS = onlyOn('one', 'it starts servers of its own, the same on every topology');

/** Starts a Redis of this run's topology; a Sentinel group has two replicas, a cluster three primaries with one each. */
export async function startAnyRedis(t: Owner, options: RedisOptions = {}): Promise<AnyRedis> {
  if (TOPOLOGY === 'sentinel') {
    const group = await startSentinels(t, { ...options, replicas: 2, downMs: PATIENCE_MS });
    return anyOf(group, group.servers, async () => [await group.primary()]);
  }
  if (TOPOLOGY === 'cluster') {
    const size = { primaries: 3, replicas: 3, nodeTimeoutMs: PATIENCE_MS };
    const cluster = await startRedisCluster(t, { ...options, ...size });
    return anyOf(cluster, cluster.servers, async () => cluster.servers.slice(0, size.primaries));
  }
  const server = await startRedis(t, options);
  return anyOf(server, [server], async () => [server]);
}

function anyOf(
  { env, target }: RedisPlace,
  servers: readonly RedisServer[],
  primaries: () => Promise<RedisServer[]>,
): AnyRedis {
  const all = async (work: (server: RedisServer) => Promise<void>) => {
    await Promise.all(servers.map(work));
  };
  return {
    env,
    target,
    ask: async (command) => {
      const [first] = (await primaries()) as [RedisServer];
      const answer = await first.ask(command);
      const elsewhere = /^-MOVED \d+ [\d.]+:(\d+)/.exec(answer);
      const owner = servers.find(({ port }) => port === Number(elsewhere?.[1]));
      return owner ? owner.ask(command) : answer;
    },
    askAll: async (command) => Promise.all((await primaries()).map((server) => server.ask(command))),
    stop: (signal) => all((server) => server.stop(signal)),
    kill9: () => all((server) => server.kill9()),
    restart: () => all((server) => server.restart()),
  };
}
