/** What a run puts under stress: a Redis and nodes of its own, on loopback, in a temporary directory. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askRedis, freePortFrom, isReady } from '../net.mjs';
import { NODE_MAIN } from '../paths.mjs';
import { ensureRedis, redisArgs } from '../redis.mjs';
import { Program } from './program.mjs';

const REDIS_READY_MS = 60_000;
const NODE_READY_MS = 45_000;
const STOP_MS = 20_000;
const FIRST_PORT = 10_000;
const PORTS = 1_800;

/** Signs the tokens of a run; its servers live on loopback for as long as the run. */
export const SECRET = 'a secret of stress runs that is long enough for HS256';

/** @typedef {{ at: number, url: string, port: number, program: Program, starts: number, startedAt: number }} StressNode */

export class StressStack {
  dir = mkdtempSync(join(tmpdir(), 'parlance-stress-'));
  /** @type {StressNode[]} */
  nodes = [];
  /** How nodes ended that were asked to (SIGTERM). @type {string[]} */
  drained = [];
  #aof;
  #env;
  #redisPort = 0;
  /** @type {Program | undefined} */
  #redis;

  /** @param {{ aof: string, env?: NodeJS.ProcessEnv }} options */
  constructor({ aof, env = {} }) {
    this.#aof = aof;
    this.#env = env;
  }

  /** @param {number} nodes */
  async start(nodes) {
    // Anywhere in the range, so that two runs on one machine seldom look at the same ports.
    const from = FIRST_PORT + Math.floor(Math.random() * PORTS);
    this.#redisPort = await freePortFrom(from);
    await this.startRedis();
    for (let at = 0; at < nodes; at += 1) {
      const taken = new Set([this.#redisPort, ...this.nodes.map(({ port }) => port)]);
      const port = await freePortFrom(from + 1, taken);
      const url = `http://127.0.0.1:${port}`;
      this.nodes.push({ at, url, port, program: this.#launchNode(at, port), starts: 1, startedAt: at });
      await this.#nodeReady(/** @type {StressNode} */ (this.nodes[at]));
    }
  }

  async startRedis() {
    const dir = join(this.dir, 'redis');
    mkdirSync(dir, { recursive: true });
    const aof = { appendonly: this.#aof === 'no' ? 'no' : 'yes', appendfsync: this.#aof };
    const args = redisArgs(dir, this.#redisPort, aof);
    this.#redis = new Program('redis', ensureRedis(), args, {
      cwd: dir,
      env: process.env,
      logFile: join(this.dir, 'redis.log'),
    });
    const answers = async () => (await askRedis(this.#redisPort, 'PING')).startsWith('+PONG');
    await this.#redis.ready(answers, REDIS_READY_MS);
  }

  /** @param {NodeJS.Signals} signal */
  async endRedis(signal) {
    await this.#redis?.end(signal, STOP_MS);
  }

  /** @param {NodeJS.Signals} signal */
  signalRedis(signal) {
    this.#redis?.signal(signal);
  }

  /** @param {number} at @param {NodeJS.Signals} signal */
  async endNode(at, signal) {
    const how = await this.node(at).program.end(signal, STOP_MS);
    if (signal === 'SIGTERM') this.drained.push(how);
  }

  /** Starts an ended node again, on its port. @param {number} at */
  async startNode(at) {
    const node = this.node(at);
    node.program = this.#launchNode(at, node.port);
    node.starts += 1;
    node.startedAt = performance.now();
    await this.#nodeReady(node);
  }

  /** @param {number} at @returns {StressNode} */
  node(at) {
    return /** @type {StressNode} */ (this.nodes[at % this.nodes.length]);
  }

  async allReady() {
    const answers = await Promise.all(this.nodes.map(({ url }) => isReady(url).catch(() => false)));
    return answers.every(Boolean);
  }

  /** Lines that nodes logged as errors, or that are no log lines at all. @returns {string[]} */
  complaints() {
    return this.nodes.flatMap(({ program }) => {
      const lines = readFileSync(program.logFile, 'utf8').split('\n');
      return lines.filter(
        (line) => line !== '' && !/^\{"level":(10|20|30|40|"(trace|debug|info|warn)")/.test(line),
      );
    });
  }

  /** Ends everything. @param {{ keep?: boolean }} [options] */
  async stop({ keep = false } = {}) {
    this.drained.push(
      ...(await Promise.all(this.nodes.map(({ program }) => program.end('SIGTERM', STOP_MS)))),
    );
    await this.#redis?.end('SIGTERM', STOP_MS);
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }

  /** @param {number} at @param {number} port */
  #launchNode(at, port) {
    const env = {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: String(port),
      REDIS_URL: `redis://127.0.0.1:${this.#redisPort}`,
      JWT_SECRET: SECRET,
      RATE_LIMIT_MAX: '0',
      DRAIN_MS: '1000',
      ...this.#env,
    };
    return new Program(`node-${at + 1}`, process.execPath, [NODE_MAIN], {
      cwd: this.dir,
      env,
      logFile: join(this.dir, `node-${at + 1}.log`),
    });
  }

  /** @param {StressNode} node */
  async #nodeReady({ program, url }) {
    await program.ready(() => isReady(url), NODE_READY_MS);
  }
}
