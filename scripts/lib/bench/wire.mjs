/**
 * The client's end of a WebSocket, as cheap as it gets: one read buffer for all sockets, frames that are looked at
 * and never copied, none parsed. A client that costs more than the server would measure itself.
 */

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const OPEN_MS = 30_000;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
/** Reads are answered before the next begins, so that all sockets can share it. */
const SHARED = Buffer.allocUnsafe(256 * 1024);

/**
 * @typedef {object} Handlers
 * @property {(data: Buffer, from: number, to: number) => void} onText a frame's payload: valid until it returns
 * @property {() => void} onClosed the connection ended and nobody here had asked for it
 */

/**
 * A text frame as a latin1 string: masked, as clients must, by zeros, which leave it as it is.
 * @param {string} payload ASCII, shorter than 64 KiB
 * @param {number} [opcode]
 */
function frameOf(payload, opcode = TEXT) {
  const { length } = payload;
  const size =
    length < 126
      ? String.fromCharCode(0x80 | length)
      : String.fromCharCode(0x80 | 126, length >> 8, length & 255);
  return `${String.fromCharCode(0x80 | opcode)}${size}\0\0\0\0${payload}`;
}

export class Wire {
  /** @type {import('node:net').Socket} */
  #socket;
  #handlers;
  /** What came of a frame that is not whole yet. @type {Buffer | undefined} */
  #rest;
  #upgraded = false;
  #ended = false;
  /** @type {(error?: Error) => void} */
  #settle = () => undefined;
  /** Settles once the upgrade is accepted; rejects when it is refused or takes too long. */
  opened;

  /**
   * @param {{ port: number, path: string, headers: Record<string, string> }} to
   * @param {Handlers} handlers
   */
  constructor({ port, path, headers }, handlers) {
    this.#handlers = handlers;
    this.opened = new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    const onread = { buffer: SHARED, callback: (/** @type {number} */ n) => this.#read(n) };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket.setTimeout(OPEN_MS, () => this.#socket.destroy(new Error('no answer to the upgrade')));
    this.#socket.on('error', (error) => this.#settle(error));
    this.#socket.once('close', () => this.#closed());
    this.#socket.write(requestOf(port, path, headers));
  }

  /** Sends a text frame. @param {string} payload ASCII */
  send(payload) {
    this.#socket.write(frameOf(payload), 'latin1');
  }

  end() {
    this.#ended = true;
    this.#socket.destroy();
  }

  #closed() {
    this.#settle(new Error('closed before it was open'));
    if (!this.#ended) this.#handlers.onClosed();
  }

  /** @param {number} count bytes in the shared buffer */
  #read(count) {
    let data = SHARED;
    let end = count;
    if (this.#rest) {
      data = Buffer.concat([this.#rest, SHARED.subarray(0, count)]);
      end = data.length;
      this.#rest = undefined;
    }
    const at = this.#upgraded ? this.#frames(data, 0, end) : this.#upgrade(data, end);
    if (at < end) this.#rest = Buffer.from(data.subarray(at, end));
    return true;
  }

  /** @param {Buffer} data @param {number} end @returns {number} where the first bytes begin that are kept */
  #upgrade(data, end) {
    const headers = data.subarray(0, end).indexOf('\r\n\r\n');
    if (headers < 0) return 0;
    const status = data.toString('latin1', 9, 12);
    if (status !== '101') {
      this.#socket.destroy(new Error(`the upgrade was answered with ${status}`));
      return end;
    }
    this.#upgraded = true;
    this.#socket.setTimeout(0);
    this.#settle();
    return this.#frames(data, headers + 4, end);
  }

  /** @param {Buffer} data @param {number} start @param {number} end @returns {number} where the last, partial frame begins */
  #frames(data, start, end) {
    let at = start;
    while (end - at >= 2) {
      const opcode = /** @type {number} */ (data[at]) & 15;
      let size = /** @type {number} */ (data[at + 1]) & 127;
      let head = 2;
      if (size === 126) {
        if (end - at < 4) break;
        size = data.readUInt16BE(at + 2);
        head = 4;
      } else if (size === 127) {
        if (end - at < 10) break;
        size = Number(data.readBigUInt64BE(at + 2));
        head = 10;
      }
      const from = at + head;
      if (end - from < size) break;
      at = from + size;
      if (opcode === TEXT) this.#handlers.onText(data, from, at);
      else if (opcode === PING) this.#socket.write(frameOf(data.toString('latin1', from, at), 10), 'latin1');
      else if (opcode === CLOSE) this.#socket.destroy();
    }
    return at;
  }
}

/** @param {number} port @param {string} path @param {Record<string, string>} headers */
function requestOf(port, path, headers) {
  const lines = Object.entries({
    host: `127.0.0.1:${port}`,
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
