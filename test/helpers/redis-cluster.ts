/** Real Redis Clusters on loopback. */

import { Redis } from 'ioredis';
import { type RedisOptions, type RedisPlace, type RedisServer, startRedis } from './redis.js';
import { type Owner, until } from './wait.js';

const READY_MS = 30_000;
const CREATING_TIMEOUT_MS = 1_000;

/** How many servers, and how each is set up. */
export interface ClusterOptions extends RedisOptions {
  primaries?: number;
  /** Replicas in all: 0, or as many as primaries. */
  replicas?: number;
  /** After how long a silent server counts as failed. */
  nodeTimeoutMs?: number;
}

/** A running cluster. */
export interface RedisCluster extends RedisPlace {
  readonly seeds: { host: string; port: number }[];
  /** Primaries first, as they were at the start. */
  readonly servers: RedisServer[];
  /** The server that holds `slot` now, asked of the living. */
  primaryOf(slot: number): Promise<RedisServer>;
  /**
   * Moves a slot with its keys to another primary, as `redis-cli --cluster reshard` does, and answers how many keys it
   * held. `halfway` runs when half of them have moved.
   */
  moveSlot(slot: number, to: RedisServer, halfway?: () => Promise<unknown>): Promise<number>;
}

/** Starts a cluster and waits until every server calls it complete and every replica is in step. */
export async function startRedisCluster(t: Owner, options: ClusterOptions = {}): Promise<RedisCluster> {
  const { primaries = 3, replicas = 0, nodeTimeoutMs = 2000, ...redis } = options;
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-node-timeout': String(nodeTimeoutMs),
    // Replicas of a test may be young when their primary dies.
    'cluster-replica-validity-factor': '0',
    'repl-diskless-sync-delay': '0',
    ...redis.settings,
  };
  const servers: RedisServer[] = [];
  // One after the other: a port is only safe from the next choice once something listens on it.
  for (let i = 0; i < primaries + replicas; i += 1) servers.push(await startRedis(t, { ...redis, settings }));
  const timeout = (ms: number) =>
    Promise.all(servers.map((server) => tell(server, `CONFIG SET cluster-node-timeout ${ms}`)));
  // Who gives others much time also tells them things seldom.
  await timeout(CREATING_TIMEOUT_MS);
  await create(servers, primaries);
  await until('the cluster is complete', () => allReady(servers, primaries, replicas), READY_MS, 50);
  await timeout(nodeTimeoutMs);
  const urls = servers.map((server) => server.url);
  return {
    env: { REDIS_URL: urls.join(','), REDIS_CLUSTER: 'true' },
    target: { urls, cluster: true, sentinels: [], sentinelName: undefined },
    seeds: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    servers,
    primaryOf: (slot) => primaryOf(servers, slot),
    moveSlot: async (slot, to, halfway = async () => undefined) => {
      const from = await primaryOf(servers, slot);
      return moveSlot({ slot, from, to, all: servers.slice(0, primaries), halfway });
    },
  };
}

/** Every server of a cluster has as many. */
const SLOTS = 16_384;

// By hand: redis-cli waits by whole seconds.
async function create(servers: RedisServer[], primaries: number): Promise<void> {
  const ids = await Promise.all(servers.map((server) => tell(server, 'CLUSTER MYID')));
  for (const [i, server] of servers.entries()) {
    // Epochs of their own: primaries of the same one would have to settle that first.
    await tell(server, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`);
    const edge = (n: number) => Math.round((SLOTS * n) / primaries);
    if (i < primaries) await tell(server, `CLUSTER ADDSLOTSRANGE ${edge(i)} ${edge(i + 1) - 1}`);
  }
  // Each is told of each: to hear of the others by gossip takes seconds.
  for (const [i, server] of servers.entries())
    for (const { port } of servers.slice(i + 1)) await tell(server, `CLUSTER MEET 127.0.0.1 ${port}`);
  const follow = (replica: RedisServer, i: number) => {
    const id = ids[i % primaries];
    const command = `CLUSTER REPLICATE ${id}`;
    return until('a replica knows its primary', () => tell(replica, command).then(() => true), READY_MS);
  };
  await Promise.all(servers.slice(primaries).map(follow));
}

/** The one line that a server answers; throws when it refuses. */
async function tell(server: RedisServer, command: string): Promise<string> {
  const answer = await server.ask(command);
  if (answer.startsWith('-')) throw new Error(`${command}: ${answer}`);
  return answer.trim().split('\r\n').at(-1) as string;
}

async function allReady(servers: RedisServer[], primaries: number, replicas: number): Promise<boolean> {
  const states = await Promise.all(servers.map((server) => stateOf(server)));
  const linked = states.filter((state) => state.inStep).length;
  return (
    linked === replicas &&
    states.every(({ ok, known, size }) => ok && known === servers.length && size === primaries)
  );
}

async function stateOf(
  server: RedisServer,
): Promise<{ ok: boolean; known: number; size: number; inStep: boolean }> {
  const [cluster, replication] = await Promise.all([
    server.ask('CLUSTER INFO'),
    server.ask('INFO replication'),
  ]);
  return {
    ok: cluster.includes('cluster_state:ok'),
    known: Number(/cluster_known_nodes:(\d+)/.exec(cluster)?.[1]),
    size: Number(/cluster_size:(\d+)/.exec(cluster)?.[1]),
    inStep: replication.includes('master_link_status:up'),
  };
}

async function primaryOf(servers: RedisServer[], slot: number): Promise<RedisServer> {
  return until(`a primary of slot ${slot}`, async () => {
    for (const server of servers) {
      const nodes = await server.ask('CLUSTER NODES').catch(() => '');
      const port = portOfSlot(nodes, slot);
      const found = servers.find((one) => one.port === port);
      if (found) return found;
    }
    return undefined;
  });
}

/** Lines of CLUSTER NODES: `id host:port@bus flags primary ping pong epoch link slot slot-slot ...`. */
function portOfSlot(nodes: string, slot: number): number | undefined {
  for (const line of nodes.split('\n')) {
    const [, address = '', flags = '', , , , , , ...ranges] = line.trim().split(' ');
    if (!flags.includes('master') || flags.includes('fail')) continue;
    const holds = ranges.some((range) => {
      const [from = -1, to = from] = range.split('-').map(Number);
      return slot >= from && slot <= to;
    });
    if (holds) return Number(/:(\d+)@/.exec(address)?.[1]);
  }
  return undefined;
}

interface Move {
  slot: number;
  from: RedisServer;
  to: RedisServer;
  all: readonly RedisServer[];
  halfway: () => Promise<unknown>;
}

async function moveSlot({ slot, from, to, all, halfway }: Move): Promise<number> {
  const clients = new Map(all.map((server) => [server, new Redis(server.url, { lazyConnect: true })]));
  const call = (server: RedisServer, command: string, ...words: (string | number)[]) =>
    (clients.get(server) as Redis).call(command, ...words);
  try {
    const [fromId, toId] = (await Promise.all([from, to].map((one) => call(one, 'CLUSTER', 'MYID')))) as [
      string,
      string,
    ];
    await call(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await call(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    const held = Number(await call(from, 'CLUSTER', 'COUNTKEYSINSLOT', slot));
    const half = Math.ceil(held / 2);
    for (let moved = 0; ; ) {
      const keys = (await call(from, 'CLUSTER', 'GETKEYSINSLOT', slot, half)) as string[];
      if (keys.length === 0) break;
      await call(from, 'MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
      if (moved === 0) await halfway();
      moved += keys.length;
    }
    // The new owner first: should this end half-way, nobody serves the slot twice.
    for (const server of [to, ...all.filter((one) => one !== to)])
      await call(server, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    return held;
  } finally {
    for (const client of clients.values()) client.disconnect();
  }
}
