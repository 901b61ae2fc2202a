/** One Redis. Nodes reach it over a link of the run, where that is to be slow at times. */

import { Link } from './link.mjs';
import { Server, settingsFor } from './server.mjs';

/** @typedef {import('./topology.mjs').Topology} Topology */

/** @implements {Topology} */
export class OneTopology {
  #options;
  /** @type {Server[]} */
  servers = [];
  /** @type {Link | undefined} */
  #link;

  /** @param {import('./topology.mjs').TopologyOptions} options */
  constructor(options) {
    this.#options = options;
  }

  get env() {
    return { REDIS_URL: `redis://127.0.0.1:${this.#link?.port ?? this.servers[0]?.port}` };
  }

  async start() {
    const { dir, aof, port, slow } = this.#options;
    const server = new Server({ name: 'redis', dir, port: await port(), settings: settingsFor(aof) });
    this.servers.push(server);
    await server.start();
    if (slow) this.#link = await Link.open(server.port, await port());
  }

  async primaries() {
    return this.servers;
  }

  async whole() {
    return (await this.servers[0]?.well()) ?? false;
  }

  async succeeded() {
    return false;
  }

  async stop() {
    this.#link?.close();
    await this.servers[0]?.end('SIGTERM');
  }

  /** @param {number} ms */
  delay(ms) {
    if (this.#link) this.#link.delayMs = ms;
  }
}
