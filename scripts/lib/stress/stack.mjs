/** What a run puts under stress: a Redis and nodes of its own, on loopback, in a temporary directory. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortFrom, isReady } from '../net.mjs';
import { NODE_MAIN } from '../paths.mjs';
import { Program } from './program.mjs';
import { createTopology } from './topology/topology.mjs';

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
  /** The Redis of this run. */
  redis;
  #env;
  // Anywhere in the range, so that two runs on one machine seldom look at the same ports.
  #nextPort = FIRST_PORT + Math.floor(Math.random() * PORTS);

  /** @param {{ topology: string, aof: string, slow: boolean, env?: NodeJS.ProcessEnv }} options */
  constructor({ topology, aof, slow, env = {} }) {
    this.#env = env;
    this.redis = createTopology(topology, { dir: this.dir, aof, slow, port: () => this.#freePort() });
  }

  /** @param {number} nodes */
  async start(nodes) {
    await this.redis.start();
    for (let at = 0; at < nodes; at += 1) {
      const port = await this.#freePort();
      const url = `http://127.0.0.1:${port}`;
      this.nodes.push({ at, url, port, program: this.#launchNode(at, port), starts: 1, startedAt: at });
      await this.#nodeReady(/** @type {StressNode} */ (this.nodes[at]));
    }
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
    await this.redis.stop();
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }

  async #freePort() {
    const port = await freePortFrom(this.#nextPort);
    this.#nextPort = port + 1;
    return port;
  }

  /** @param {number} at @param {number} port */
  #launchNode(at, port) {
    const env = {
      PATH: process.env.PATH,
      HOST: '127.0.0.1',
      PORT: String(port),
      ...this.redis.env,
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
