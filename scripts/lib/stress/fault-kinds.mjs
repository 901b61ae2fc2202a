/** The faults there are, and which Redis each can happen to. Imports nothing that has to be installed first. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';

/** @typedef {import('./stack.mjs').StressStack} StressStack */
/** @typedef {import('./random.mjs').Random} Random */
/** @typedef {import('./topology/topology.mjs').Server} Server */

/**
 * @typedef {object} Kind
 * @property {readonly string[]} on the topologies that it fits
 * @property {boolean} [endsNode] whether a node's process ends by it
 * @property {boolean} [losesMemory] whether Redis forgets what it had not handed on yet, to its disk or to a replica
 * @property {(stack: StressStack, random: Random) => Promise<string>} inject injects it, undoes it, and says what it did
 */

export const TOPOLOGIES = ['one', 'sentinel', 'cluster'];
const REPLICATED = ['sentinel', 'cluster'];

const PAUSE_MS = 2_000;
const LATENCY_MS = 200;
/** How long Redis is far away, or out of memory. */
const TROUBLE_MS = 3_000;
/** How long it is out of disk: shorter than what Sentinels bear. They take a primary whose disk is full for dead. */
const DISK_FULL_MS = 1_500;
/** A primary that is back so soon is still the primary. */
const SOON_MS = 1_200;
const TAKEOVER_MS = 60_000;

/** Mostly short; now and then long enough for sends to fail. @param {Random} random */
const awayMs = (random) => (random.next() < 0.8 ? random.between(0, 2_500) : random.between(4_000, 8_000));

/** @type {Record<string, Kind>} */
export const KINDS = {
  'node-kill': {
    on: TOPOLOGIES,
    endsNode: true,
    async inject(stack, random) {
      const at = chooseNode(stack, random);
      const away = awayMs(random);
      await stack.endNode(at, 'SIGKILL');
      await sleep(away);
      await stack.startNode(at);
      return `kill -9 of node ${at + 1}, started again after ${away} ms`;
    },
  },
  drain: {
    on: TOPOLOGIES,
    endsNode: true,
    async inject(stack, random) {
      const at = chooseNode(stack, random);
      await stack.endNode(at, 'SIGTERM');
      await stack.startNode(at);
      return `SIGTERM to node ${at + 1} (${stack.drained.at(-1)}), started again`;
    },
  },
  'redis-restart': {
    on: TOPOLOGIES,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      await server.end('SIGTERM');
      const away = await stayAway(stack, server, random);
      await server.start();
      return `SIGTERM to ${server.name}, started again ${away}`;
    },
  },
  'redis-kill': {
    on: ['one'],
    losesMemory: true,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      await server.end('SIGKILL');
      const away = await stayAway(stack, server, random);
      await server.start();
      return `kill -9 of ${server.name}, started again ${away}`;
    },
  },
  failover: {
    on: REPLICATED,
    losesMemory: true,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      await server.end('SIGKILL');
      return `kill -9 of ${server.name}, ${await succession(stack, server, random)}`;
    },
  },
  // The replicas have nothing of what was written since: what was acknowledged then is lost, unless it waited for them.
  'lagging-failover': {
    on: REPLICATED,
    losesMemory: true,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      const lag = random.between(200, 1_000);
      const others = stack.redis.servers.filter((one) => one !== server);
      // First they stand still, or they would connect again at once.
      const replicas = await replicasOf(server, others);
      for (const replica of replicas) replica.signal('SIGSTOP');
      await server.ask('CLIENT', 'KILL', 'TYPE', 'replica');
      await sleep(lag);
      await server.end('SIGKILL');
      for (const replica of replicas) replica.signal('SIGCONT');
      return `kill -9 of ${server.name}, its replicas ${lag} ms behind, ${await succession(stack, server, random)}`;
    },
  },
  'slot-migrate': {
    on: ['cluster'],
    async inject(stack, random) {
      return (await stack.redis.migrate?.(random)) ?? '';
    },
  },
  pause: {
    on: TOPOLOGIES,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      server.signal('SIGSTOP');
      await sleep(PAUSE_MS);
      server.signal('SIGCONT');
      return `${server.name} stopped for ${PAUSE_MS} ms`;
    },
  },
  latency: {
    on: ['one'],
    async inject(stack) {
      stack.redis.delay?.(LATENCY_MS);
      await sleep(TROUBLE_MS);
      stack.redis.delay?.(0);
      return `${LATENCY_MS} ms to Redis and back again each, for ${TROUBLE_MS} ms`;
    },
  },
  oom: {
    on: TOPOLOGIES,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      const used = Number(await server.info('memory', 'used_memory'));
      await server.ask('CONFIG', 'SET', 'maxmemory', Math.floor(used * 0.9));
      await sleep(TROUBLE_MS);
      await server.ask('CONFIG', 'SET', 'maxmemory', 0);
      return `${server.name} out of memory for ${TROUBLE_MS} ms`;
    },
  },
  'disk-full': {
    on: TOPOLOGIES,
    async inject(stack, random) {
      const server = await choosePrimary(stack, random);
      server.fillDisk();
      await sleep(DISK_FULL_MS);
      const ended = !server.alive;
      server.freeDisk();
      // With appendfsync always Redis ends rather than answer without having written.
      if (ended) await server.start();
      return `no room on the disk of ${server.name} for ${DISK_FULL_MS} ms${ended ? ', which ended it' : ''}`;
    },
  },
};

/**
 * What Redis may lose of what it took: under `fast` that may have been acknowledged, under `durable` only shown to others.
 * @param {{ faults: readonly string[], aof: string, durability: string }} options
 * @returns {import('./check.mjs').Allowance}
 */
export function allowanceOf({ faults, aof, durability }) {
  const shown = faults.some(
    (kind) => KINDS[kind]?.losesMemory && !(kind === 'redis-kill' && aof === 'always'),
  );
  return { shown, acknowledged: shown && durability === 'fast' };
}

/** The kinds that fit a topology. @param {string} topology */
export function kindsOn(topology) {
  return Object.keys(KINDS).filter((kind) => KINDS[kind]?.on.includes(topology));
}

/**
 * Any node but the one that started last: that one has hardly any sockets yet.
 * @param {StressStack} stack
 * @param {Random} random
 */
function chooseNode({ nodes }, random) {
  const newest = nodes.reduce((a, b) => (b.startedAt > a.startedAt ? b : a));
  const others = nodes.filter((node) => node !== newest);
  return random.pick(others.length > 0 ? others : nodes).at;
}

/** @param {StressStack} stack @param {Random} random @returns {Promise<Server>} */
async function choosePrimary({ redis }, random) {
  return random.pick(await redis.primaries());
}

/** @param {Server} primary @param {readonly Server[]} others */
async function replicasOf(primary, others) {
  const followed = await Promise.all(others.map((one) => one.info('replication', 'master_port')));
  return others.filter((_, i) => followed[i] === String(primary.port));
}

/**
 * Waits while an ended primary is away. Where replicas would take over, either so short that none does, or until one
 * has: a primary that comes back just then takes writes that the new one will make it forget.
 * @param {StressStack} stack @param {Server} server @param {Random} random
 */
async function stayAway({ redis }, server, random) {
  if (redis.servers.length > 1 && random.next() < 0.5) {
    await takeover(redis, server);
    return 'after another one had taken over';
  }
  const away = redis.servers.length > 1 ? random.between(0, SOON_MS) : awayMs(random);
  await sleep(away);
  return `after ${away} ms`;
}

/** Waits for the successor of a dead primary, and brings the old one back. @param {StressStack} stack @param {Server} old @param {Random} random */
async function succession({ redis }, old, random) {
  const startAt = performance.now();
  await takeover(redis, old);
  const tookMs = Math.round(performance.now() - startAt);
  await sleep(random.between(0, 2_000));
  await old.start();
  return `a replica took over after ${tookMs} ms`;
}

/** @param {import('./topology/topology.mjs').Topology} redis @param {Server} old */
async function takeover(redis, old) {
  if (!(await poll(() => redis.succeeded(old), TAKEOVER_MS)))
    throw new Error(`nobody took over from ${old.name}`);
}
