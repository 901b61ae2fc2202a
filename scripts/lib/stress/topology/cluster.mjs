/** A Redis Cluster: three primaries, three replicas. */

import { poll } from '../../wait.mjs';
import { Server, settingsFor } from './server.mjs';
import { moveSlot, parseNodes } from './slots.mjs';

const PRIMARIES = 3;
const SERVERS = 2 * PRIMARIES;
const SLOTS = 16_384;
/** After how long a silent server counts as failed: longer than a pause that is no death. */
const NODE_TIMEOUT_MS = 3_000;
const READY_MS = 60_000;

/** @typedef {import('./topology.mjs').Topology} Topology */

/** @implements {Topology} */
export class ClusterTopology {
  #options;
  /** @type {Server[]} */
  servers = [];

  /** @param {import('./topology.mjs').TopologyOptions} options */
  constructor(options) {
    this.#options = options;
  }

  get env() {
    return {
      REDIS_URL: this.servers.map(({ port }) => `redis://127.0.0.1:${port}`).join(','),
      REDIS_CLUSTER: 'true',
    };
  }

  async start() {
    const { dir, aof, port } = this.#options;
    const settings = {
      ...settingsFor(aof),
      'cluster-enabled': 'yes',
      'cluster-config-file': 'nodes.conf',
      'cluster-node-timeout': String(NODE_TIMEOUT_MS),
      // Replicas of a run may be young when their primary dies.
      'cluster-replica-validity-factor': '0',
      'cluster-allow-replica-migration': 'no',
    };
    for (let i = 0; i < SERVERS; i += 1) {
      const server = new Server({ name: `redis-${i + 1}`, dir, port: await port(), settings });
      this.servers.push(server);
      await server.start();
    }
    await this.#join();
    if (!(await poll(() => this.whole(), READY_MS))) throw new Error('the cluster is not complete');
  }

  async primaries() {
    const holders = (await this.#nodes()).filter(({ serving }) => serving);
    return holders.map(({ port }) => /** @type {Server} */ (this.servers.find((one) => one.port === port)));
  }

  async whole() {
    const well = await Promise.all(this.servers.map((server) => server.well()));
    const agreed = await Promise.all(this.servers.map((server) => this.#complete(server)));
    const primaries = await this.primaries();
    const linked = await Promise.all(
      primaries.map((primary) => primary.info('replication', 'connected_slaves')),
    );
    return well.every(Boolean) && agreed.every(Boolean) && linked.every((count) => count === '1');
  }

  /** @param {Server} old */
  async succeeded(old) {
    const living = this.servers.filter((server) => server !== old);
    const views = await Promise.all(living.map((server) => this.#complete(server, old.port)));
    return views.every(Boolean);
  }

  async stop() {
    await Promise.all(this.servers.map((server) => server.end('SIGKILL')));
  }

  /** Moves some slots that hold keys from one primary to another. @param {import('../random.mjs').Random} random */
  async migrate(random) {
    const primaries = await this.primaries();
    const from = random.pick(primaries);
    const to = random.pick(primaries.filter((primary) => primary !== from));
    /** @type {Set<number>} */
    const slots = new Set();
    for (let i = 0; i < 12; i += 1) {
      const key = await from.ask('RANDOMKEY');
      if (typeof key === 'string') slots.add(Number(await from.ask('CLUSTER', 'KEYSLOT', key)));
    }
    let moved = 0;
    for (const slot of slots) moved += await moveSlot({ slot, from, to, all: primaries });
    return `${slots.size} slots with ${moved} keys moved from ${from.name} to ${to.name}`;
  }

  async #join() {
    const [first, ...others] = this.servers;
    if (!first) return;
    for (const [i, server] of this.servers.entries()) {
      await server.ask('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      if (i >= PRIMARIES) continue;
      const [start, end] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / PRIMARIES));
      await server.ask('CLUSTER', 'ADDSLOTSRANGE', Number(start), Number(end) - 1);
    }
    for (const server of others) await server.ask('CLUSTER', 'MEET', '127.0.0.1', first.port);
    for (const [i, server] of this.servers.entries()) {
      if (i < PRIMARIES) continue;
      const id = await this.servers[i - PRIMARIES]?.ask('CLUSTER', 'MYID');
      const follow = async () => (await server.ask('CLUSTER', 'REPLICATE', id)) === 'OK';
      if (!(await poll(follow, READY_MS))) throw new Error(`${server.name} did not meet its primary`);
    }
  }

  /** What the first server that answers knows of all. */
  async #nodes() {
    for (const server of this.servers) {
      const text = await server.ask('CLUSTER', 'NODES').catch(() => undefined);
      if (text !== undefined) return parseNodes(String(text));
    }
    throw new Error('no server of the cluster answers');
  }

  /** Whether a server sees a cluster that serves every slot, and not through `without`. @param {Server} server @param {number} [without] */
  async #complete(server, without) {
    const state = String(await server.ask('CLUSTER', 'INFO'));
    const nodes = parseNodes(String(await server.ask('CLUSTER', 'NODES')));
    const serving = nodes.filter((node) => node.serving);
    return (
      state.includes('cluster_state:ok') &&
      serving.length === PRIMARIES &&
      serving.every(({ port }) => port !== without) &&
      nodes.every(({ failed, port }) => !failed || port === without)
    );
  }
}
