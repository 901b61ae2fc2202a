/** A TCP link to a Redis on loopback, as slow as it is told to be. */

import { connect, createServer } from 'node:net';

export class Link {
  port;
  /** How long everything takes, in each direction. */
  delayMs = 0;
  #server;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();

  /** @param {import('node:net').Server} server @param {number} port */
  constructor(server, port) {
    this.#server = server;
    this.port = port;
  }

  /** @param {number} target the port of Redis @param {number} port the port to listen on */
  static async open(target, port) {
    const server = createServer();
    const link = new Link(server, port);
    server.on('connection', (client) => link.#join(client, target));
    await new Promise((/** @type {(value: void) => void} */ resolve) => {
      server.listen({ host: '127.0.0.1', port }, resolve);
    });
    return link;
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Writes in order, each piece late, and never before what came earlier. @param {import('node:net').Socket} to */
  #slowly(to) {
    /** @type {{ piece: Buffer, dueAt: number }[]} */
    const waiting = [];
    // One timer for all: timers of their own could fire in another order.
    const release = () => {
      const now = performance.now();
      for (let next = waiting[0]; next && next.dueAt <= now; next = waiting[0]) {
        waiting.shift();
        to.write(next.piece);
      }
      if (waiting[0]) setTimeout(release, waiting[0].dueAt - now);
    };
    return (/** @type {Buffer} */ piece) => {
      if (waiting.length === 0 && this.delayMs === 0) to.write(piece);
      else if (waiting.push({ piece, dueAt: performance.now() + this.delayMs }) === 1)
        setTimeout(release, this.delayMs);
    };
  }

  /** @param {import('node:net').Socket} client @param {number} target */
  #join(client, target) {
    const redis = connect({ host: '127.0.0.1', port: target });
    for (const [from, to] of /** @type {const} */ ([
      [client, redis],
      [redis, client],
    ])) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('data', this.#slowly(to));
    }
  }
}
