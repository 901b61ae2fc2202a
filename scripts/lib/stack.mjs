/** All processes of a local run: started in order, ended in the opposite order, watched in between. */

import { startBalancer } from './balancer.mjs';
import { urlOf } from './environment.mjs';
import { Fault } from './fail.mjs';
import { freePortFrom, isPortFree } from './net.mjs';
import { startNode } from './nodes.mjs';
import { tailOf } from './process.mjs';
import { startRedis } from './redis.mjs';
import { startS3 } from './s3.mjs';

/** @typedef {import('./process.mjs').Child} Child */

const STOP_DEADLINE_MS = 10_000;

export class Stack {
  /** @type {{ redis: Child[], s3: Child[], balancer: Child[], nodes: Child[] }} */
  #children = { redis: [], s3: [], balancer: [], nodes: [] };
  #stopping = false;
  #drainMs = 0;

  /** Whether the end has begun. */
  get stopping() {
    return this.#stopping;
  }

  /**
   * @param {string} binary
   * @returns {Promise<string>} the URL of the private Redis
   */
  startRedis(binary) {
    return startRedis(binary, (child) => this.#add('redis', child));
  }

  /** @returns the settings by which nodes find the embedded S3 store */
  startS3() {
    return startS3((child) => this.#add('s3', child));
  }

  /**
   * Starts one node at the public address, or `replicas` of them behind a balancer that has it.
   * @param {NodeJS.ProcessEnv} env
   * @param {{ host: string, port: number, replicas: number, balancer: import('./balancer.mjs').Balancer | undefined }} at
   * @returns {Promise<string[]>} the URLs of the nodes
   */
  async startNodes(env, { host, port, replicas, balancer }) {
    this.#drainMs = Number(env.DRAIN_MS) || 0;
    const url = urlOf(host, port);
    if (!balancer) {
      await this.#startNode('node-1', { ...env, HOST: host, PORT: String(port) }, url);
      return [url];
    }
    const nodePorts = await choosePorts(port + 1, replicas);
    const nodes = await Promise.all(
      nodePorts.map((nodePort, i) => {
        const own = { TRUST_PROXY: '1', ...env, HOST: '127.0.0.1', PORT: String(nodePort) };
        return this.#startNode(`node-${i + 1}`, own, urlOf('127.0.0.1', nodePort));
      }),
    );
    await startBalancer(balancer, { host, port, url, nodePorts }, (child) => this.#add('balancer', child));
    return nodes.map((node) => node.url);
  }

  /** @param {string} name @param {NodeJS.ProcessEnv} env @param {string} url */
  #startNode(name, env, url) {
    return startNode(name, env, url, (child) => this.#add('nodes', child));
  }

  /** @param {'redis' | 's3' | 'balancer' | 'nodes'} kind @param {Child} child */
  #add(kind, child) {
    this.#children[kind].push(child);
    // A start that Ctrl-C has overtaken must not leave a process behind.
    if (this.#stopping) child.kill();
  }

  /**
   * Settles when the stack cannot go on: Redis, the store, the balancer or the last node ended by itself.
   * @returns {Promise<string>} what happened
   */
  broken() {
    const { redis, s3, balancer, nodes } = this.#children;
    return new Promise((resolve) => {
      /** @param {Child} child @param {string} how */
      const report = (child, how) => {
        if (this.#stopping) return;
        const what = `${child.name} ended by itself (${how}). The end of ${child.logFile}:\n${tailOf(child.logFile)}`;
        const goesOn = nodes.includes(child) && nodes.some((node) => node.alive());
        if (goesOn) console.error(`${what}\nThe other nodes go on.`);
        else resolve(what);
      };
      for (const child of [...redis, ...s3, ...balancer, ...nodes])
        void child.exited.then((how) => report(child, how));
    });
  }

  /** Ends everything: nodes drain first, while the balancer still moves their clients on; Redis is last. */
  async stop() {
    this.#stopping = true;
    const { redis, s3, balancer, nodes } = this.#children;
    const drainDeadline = this.#drainMs + STOP_DEADLINE_MS;
    await Promise.all(nodes.map((child) => child.stop('SIGTERM', drainDeadline)));
    await Promise.all(balancer.map((child) => child.stop('SIGTERM', STOP_DEADLINE_MS)));
    await Promise.all(s3.map((child) => child.stop('SIGTERM', STOP_DEADLINE_MS)));
    // For Redis, SIGTERM is SHUTDOWN: it writes its file to the end first.
    await Promise.all(redis.map((child) => child.stop('SIGTERM', STOP_DEADLINE_MS)));
  }

  /** Cuts the drain short. Redis still ends in good order. */
  hurry() {
    for (const child of [...this.#children.nodes, ...this.#children.balancer]) child.kill();
  }
}

/**
 * @param {string} host
 * @param {number} port
 * @throws Fault when something listens there
 */
export async function refuseTakenPort(host, port) {
  if (await isPortFree(host, port)) return;
  throw new Fault(
    `Port ${port} on ${host} is taken. Stop what listens there, or choose another: scripts/up --port ${port + 100}`,
  );
}

/** @param {number} from @param {number} count */
async function choosePorts(from, count) {
  /** @type {Set<number>} */
  const ports = new Set();
  while (ports.size < count) ports.add(await freePortFrom(from, ports));
  return [...ports];
}
