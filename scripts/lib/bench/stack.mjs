/** One system under test: its Redis (or a cluster of them) and its nodes, on loopback, in a temporary directory. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askRedis, freePortFrom, isReady } from '../net.mjs';
import { ensureRedis, redisArgs } from '../redis.mjs';
import { Program } from '../stress/program.mjs';

const READY_MS = 45_000;
const STOP_MS = 20_000;
const FIRST_PORT = 13_000;
const PORTS = 1_800;
const SLOTS = 16_384;
/** A cluster of one has heard nobody call it by an address: it must be told. */
const CLUSTERED = { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' };
const GC = fileURLToPath(new URL('servers/gc.mjs', import.meta.url));

/**
 * @typedef {object} StackOptions
 * @property {number} [nodes]
 * @property {number} [shards] primaries of a Redis Cluster; 0: one Redis that is no cluster
 * @property {boolean} [gc] whether its nodes collect garbage when they are told to
 * @property {string | undefined} [profiles] directory for CPU profiles of its nodes
 */

/** Ports given out in this process: stacks start one after the other, and live side by side. */
const taken = new Set();
/** Anywhere in the range, so that two runs on one machine seldom look at the same ports. */
const firstPort = FIRST_PORT + Math.floor(Math.random() * PORTS);

async function freePort() {
  const port = await freePortFrom(firstPort, taken);
  taken.add(port);
  return port;
}

/** @type {Set<Stack>} */
const running = new Set();

/** Ends every stack that runs. */
export async function stopAll() {
  await Promise.all([...running].map((stack) => stack.stop()));
}

export class Stack {
  system;
  dir = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
  /** @type {{ port: number, program: Program }[]} */
  redis = [];
  /** @type {{ port: number, program: Program }[]} */
  nodes = [];

  /** @param {import('./systems.mjs').System} system */
  constructor(system) {
    this.system = system;
  }

  /**
   * Starts it and waits until it is ready; what was started of one that fails is ended.
   * @param {import('./systems.mjs').System} system
   * @param {StackOptions} [options]
   */
  static async start(system, options = {}) {
    const stack = new Stack(system);
    running.add(stack);
    try {
      await stack.#start(options);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get urls() {
    return this.nodes.map(({ port }) => `http://127.0.0.1:${port}`);
  }

  /** Where to find all of it, for a client. */
  get targets() {
    return {
      ports: this.nodes.map(({ port }) => port),
      nodePids: this.nodes.map(({ program }) => program.pid),
      redisPids: this.redis.map(({ program }) => program.pid),
      redisPorts: this.redis.map(({ port }) => port),
    };
  }

  async stop() {
    // Nodes first, and in peace: a profile is written at the end.
    await Promise.all(this.nodes.map(({ program }) => program.end('SIGTERM', STOP_MS)));
    await Promise.all(this.redis.map(({ program }) => program.end('SIGKILL', STOP_MS)));
    for (const { port } of [...this.nodes, ...this.redis]) taken.delete(port);
    rmSync(this.dir, { recursive: true, force: true });
    running.delete(this);
  }

  /** @param {StackOptions} options */
  async #start({ nodes = 2, shards = 0, gc = false, profiles }) {
    for (let at = 0; at < Math.max(1, shards); at += 1) await this.#startRedis(at, shards > 0);
    if (shards > 0) await this.#joinShards();
    const args = [
      ...(gc ? ['--expose-gc', '--import', GC] : []),
      ...(profiles === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profiles]),
      this.system.main,
    ];
    for (let at = 0; at < nodes; at += 1) await this.#launchNode(at, args, shards > 0);
    await Promise.all(
      this.nodes.map(({ port, program }) =>
        program.ready(() => isReady(`http://127.0.0.1:${port}`), READY_MS),
      ),
    );
  }

  /** @param {number} at @param {boolean} clustered */
  async #startRedis(at, clustered) {
    const port = await freePort();
    const name = `redis-${at + 1}`;
    const dir = join(this.dir, name);
    mkdirSync(dir);
    const args = redisArgs(dir, port, {
      // A rewrite would be charged to whoever is measured at the time.
      'auto-aof-rewrite-percentage': '0',
      ...(clustered ? CLUSTERED : {}),
    });
    const logFile = join(this.dir, `${name}.log`);
    const program = new Program(name, ensureRedis(), args, { cwd: dir, env: process.env, logFile });
    this.redis.push({ port, program });
    await program.ready(async () => (await askRedis(port, 'PING')).startsWith('+PONG'), READY_MS);
  }

  /** Gives each shard its share of the slots, and waits until all of them know all. */
  async #joinShards() {
    const [first] = this.redis;
    const share = SLOTS / this.redis.length;
    for (const [at, { port }] of this.redis.entries()) {
      await askRedis(port, `CLUSTER SET-CONFIG-EPOCH ${at + 1}`);
      const range = `${Math.ceil(at * share)} ${Math.ceil((at + 1) * share) - 1}`;
      await askRedis(port, `CLUSTER ADDSLOTSRANGE ${range}`);
      if (first && at > 0) await askRedis(port, `CLUSTER MEET 127.0.0.1 ${first.port}`);
    }
    for (const { port, program } of this.redis) {
      const complete = async () => {
        const info = await askRedis(port, 'CLUSTER INFO');
        return (
          info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${this.redis.length}\r`)
        );
      };
      await program.ready(complete, READY_MS);
    }
  }

  /** @param {number} at @param {readonly string[]} args @param {boolean} clustered */
  async #launchNode(at, args, clustered) {
    const port = await freePort();
    const name = `${this.system.name}-${at + 1}`;
    const env = {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      REDIS_URL: this.redis.map((one) => `redis://127.0.0.1:${one.port}`).join(','),
      ...(clustered ? { REDIS_CLUSTER: 'true' } : {}),
      ...this.system.env,
    };
    const logFile = join(this.dir, `${name}.log`);
    const program = new Program(name, process.execPath, [...args], { cwd: this.dir, env, logFile });
    this.nodes.push({ port, program });
  }
}
