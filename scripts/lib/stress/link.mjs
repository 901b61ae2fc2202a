/** A WebSocket that comes back: to the next node, after a moment, for as long as the run lasts. */

import { WebSocket } from 'ws';

const HANDSHAKE_MS = 8_000;
const FIRST_DELAY_MS = 300;
const MAX_DELAY_MS = 2_000;

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
  isOpen = false;
  opens = 0;
  #options;
  #at;
  #tries = 0;
  #ended = false;
  #away = false;
  /** @type {WebSocket | undefined} */
  #ws;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#options = options;
    this.#at = options.at;
  }

  async connect() {
    this.#away = false;
    const { bases, target, headers, tally } = this.#options;
    const base = /** @type {string} */ (bases[this.#at % bases.length]);
    this.#at += 1;
    try {
      this.#attach(
        new WebSocket(await target(base), {
          headers,
          handshakeTimeout: HANDSHAKE_MS,
          perMessageDeflate: false,
          skipUTF8Validation: true,
        }),
      );
    } catch (error) {
      tally.refusals.add(`before the upgrade: ${error instanceof Error ? error.message : error}`);
      this.#later();
    }
  }

  /** @param {object} frame @returns {boolean} whether it was written */
  send(frame) {
    if (!this.isOpen || this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(frame));
    return true;
  }

  /** Cuts the connection, and stays away until {@link Link.connect}. */
  leave() {
    this.#away = true;
    this.#ws?.terminate();
  }

  /** Closes for good. */
  end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#ws?.terminate();
  }

  /** @param {WebSocket} ws */
  #attach(ws) {
    const { tally, onOpen, onFrame } = this.#options;
    this.#ws = ws;
    ws.on('open', () => {
      this.isOpen = true;
      this.opens += 1;
      this.#tries = 0;
      onOpen();
    });
    ws.on('message', (/** @type {Buffer} */ data) => onFrame(JSON.parse(data.toString())));
    ws.on('error', (error) => {
      if (!this.isOpen && !this.#ended)
        tally.refusals.add(error.message.replace(/\d+\.\d+\.\d+\.\d+:\d+/, '').trim());
    });
    ws.on('close', (code) => {
      if (this.isOpen && !this.#ended) tally.closes.add(code);
      this.isOpen = false;
      this.#later();
    });
  }

  #later() {
    if (this.#ended || this.#away) return;
    const most = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#tries);
    this.#tries += 1;
    this.#timer = setTimeout(() => void this.connect(), 10 + this.#options.random.next() * most);
  }
}
