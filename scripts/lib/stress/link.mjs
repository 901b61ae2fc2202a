/** A WebSocket that comes back, as the client's does: to the next node, for as long as the run lasts. */

import { Connection } from 'parlance/client';
import { WebSocket } from 'ws';

const HANDSHAKE_MS = 8_000;
/** A run does not wait as long as an application would. */
const LONGEST_WAIT_MS = 2_000;

/**
 * @typedef {object} LinkOptions
 * @property {readonly string[]} bases of the nodes: http://127.0.0.1:port
 * @property {number} at the first one to go to
 * @property {import('./random.mjs').Random} random
 * @property {import('./tally.mjs').Tally} tally
 * @property {(base: string) => string | Promise<string>} target the URL to connect to
 * @property {Record<string, string>} headers
 * @property {() => void} onOpen
 * @property {(frame: Record<string, unknown>) => void} onFrame
 */

export class Link {
  opens = 0;
  /** When an open socket was closed that is to come back; 0: it is back. */
  #closedAt = 0;
  #options;
  #at;
  #connection;
  /** @type {WebSocket | undefined} */
  #ws;

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#options = options;
    this.#at = options.at;
    this.#connection = new Connection({
      WebSocket: this.#socketClass(),
      random: () => options.random.next(),
      longestWaitMs: LONGEST_WAIT_MS,
      address: () => this.#address(),
      onOpen: () => {
        this.opens += 1;
        if (this.#closedAt > 0) options.tally.away.add(performance.now() - this.#closedAt);
        this.#closedAt = 0;
        options.onOpen();
      },
      onText: (text) => options.onFrame(JSON.parse(text)),
      onClose: (code, wasOpen) => {
        if (!wasOpen) return;
        options.tally.closes.add(code);
        this.#closedAt = performance.now();
      },
    });
  }

  /** Which of the bases it is or was connected to last. */
  get node() {
    return (this.#at - 1) % this.#options.bases.length;
  }

  get isOpen() {
    return this.#connection.state === 'open';
  }

  connect() {
    this.#connection.connect();
  }

  /** @param {object} frame @returns {boolean} whether it was written */
  send(frame) {
    return this.#connection.send(JSON.stringify(frame));
  }

  /** Cuts the connection, and stays away until {@link Link.connect}. */
  leave() {
    this.#ws?.terminate();
    this.#connection.leave();
  }

  /** Closes for good. */
  end() {
    this.#ws?.terminate();
    this.#connection.close();
  }

  async #address() {
    const { bases, target, tally } = this.#options;
    const base = /** @type {string} */ (bases[this.#at % bases.length]);
    this.#at += 1;
    try {
      return { url: await target(base) };
    } catch (error) {
      tally.refusals.add(`before the upgrade: ${error instanceof Error ? error.message : error}`);
      throw error;
    }
  }

  /** A WebSocket with headers, which says why it was refused, and which can be cut without a word. */
  #socketClass() {
    const link = this;
    const { headers, tally } = this.#options;
    return class extends WebSocket {
      /** @param {string} url */
      constructor(url) {
        super(url, [], {
          headers,
          handshakeTimeout: HANDSHAKE_MS,
          perMessageDeflate: false,
          skipUTF8Validation: true,
        });
        link.#ws = this;
        this.on('error', (error) => {
          if (!link.isOpen && link.#ws === this)
            tally.refusals.add(error.message.replace(/\d+\.\d+\.\d+\.\d+:\d+/, '').trim());
        });
      }
    };
  }
}
