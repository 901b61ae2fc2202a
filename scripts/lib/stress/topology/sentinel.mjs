/** A Sentinel group: a primary, two replicas, three sentinels. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { askRedis } from '../../net.mjs';
import { ensureRedis } from '../../redis.mjs';
import { poll } from '../../wait.mjs';
import { Program } from '../program.mjs';
import { Server, settingsFor } from './server.mjs';

const NAME = 'chat';
const REPLICAS = 2;
const SENTINELS = 3;
/** After how long a silent primary counts as dead: longer than a pause that is no death. */
const DOWN_MS = 3_000;
const READY_MS = 30_000;
const STOP_MS = 10_000;

/** @typedef {import('./topology.mjs').Topology} Topology */

/** @implements {Topology} */
export class SentinelTopology {
  #options;
  /** @type {Server[]} */
  servers = [];
  /** @type {{ port: number, program: Program }[]} */
  #sentinels = [];

  /** @param {import('./topology.mjs').TopologyOptions} options */
  constructor(options) {
    this.#options = options;
  }

  get env() {
    return {
      REDIS_URL: '',
      REDIS_SENTINELS: this.#sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','),
      REDIS_SENTINEL_NAME: NAME,
    };
  }

  async start() {
    const { dir, aof, port } = this.#options;
    for (let i = 0; i <= REPLICAS; i += 1) {
      const [first] = this.servers;
      const settings = { ...settingsFor(aof), ...(first && { replicaof: `127.0.0.1 ${first.port}` }) };
      const server = new Server({ name: `redis-${i + 1}`, dir, port: await port(), settings });
      this.servers.push(server);
      await server.start();
    }
    for (let i = 0; i < SENTINELS; i += 1) await this.#startSentinel(i, await port());
    if (!(await poll(() => this.whole(), READY_MS))) throw new Error('the Sentinel group is not complete');
  }

  async primaries() {
    const ports = await Promise.all(this.#sentinels.map(({ port }) => primaryPort(port)));
    const primary = this.servers.find(({ port }) => port === ports[0]);
    if (!primary || ports.some((port) => port !== ports[0])) throw new Error('the sentinels do not agree');
    return [primary];
  }

  async whole() {
    const [primary] = await this.primaries();
    const linked = await primary?.info('replication', 'connected_slaves');
    const known = await Promise.all(
      this.#sentinels.map(({ port }) => askRedis(port, `SENTINEL MASTER ${NAME}`)),
    );
    return (
      linked === String(REPLICAS) &&
      known.every(
        (text) =>
          fieldOf(text, 'num-slaves') === String(REPLICAS) &&
          fieldOf(text, 'num-other-sentinels') === String(SENTINELS - 1) &&
          fieldOf(text, 'flags') === 'master',
      ) &&
      (await Promise.all(this.servers.map((server) => server.well()))).every(Boolean)
    );
  }

  /** @param {Server} old */
  async succeeded(old) {
    const [primary] = await this.primaries();
    return (
      primary !== undefined && primary !== old && (await primary.info('replication', 'role')) === 'master'
    );
  }

  async stop() {
    await Promise.all(this.#sentinels.map(({ program }) => program.end('SIGTERM', STOP_MS)));
    await Promise.all(this.servers.map((server) => server.end('SIGKILL')));
  }

  /** @param {number} at @param {number} port */
  async #startSentinel(at, port) {
    const dir = join(this.#options.dir, `sentinel-${at + 1}`);
    mkdirSync(dir);
    const file = join(dir, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor ${NAME} 127.0.0.1 ${this.servers[0]?.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_MS}`,
      `sentinel failover-timeout ${NAME} 10000`,
      `sentinel parallel-syncs ${NAME} 2`,
    ];
    writeFileSync(file, lines.join('\n'));
    const program = new Program(`sentinel-${at + 1}`, ensureRedis(), [file, '--sentinel'], {
      cwd: dir,
      env: process.env,
      logFile: join(this.#options.dir, `sentinel-${at + 1}.log`),
    });
    this.#sentinels.push({ port, program });
    await program.ready(async () => (await askRedis(port, 'PING')).startsWith('+PONG'), READY_MS);
  }
}

/** @param {number} sentinel its port */
async function primaryPort(sentinel) {
  const text = await askRedis(sentinel, `SENTINEL GET-MASTER-ADDR-BY-NAME ${NAME}`);
  return Number(/\r\n(\d+)\r\n$/.exec(text)?.[1]);
}

/** A field of a flat list as it comes over the wire: the line two after its name. @param {string} text @param {string} name */
function fieldOf(text, name) {
  const lines = text.split('\r\n');
  return lines[lines.indexOf(name) + 2];
}
