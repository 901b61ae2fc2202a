/** A WebSocket client that misses nothing: it listens before it is open, and keeps every frame. */

import { WebSocket } from 'ws';
import { type Owner, within } from './wait.js';

/** A frame: parsed JSON. What is no JSON object is wrapped as `{ raw }`. */
export type Frame = Record<string, unknown>;

const OPEN_MS = 10_000;
/** A mere safety net: what is due has come long before. */
const NEXT_MS = 15_000;
const SHOWN_FRAMES = 20;

/** How to connect. With `t` the connection is cut when the test is over. */
export interface ConnectOptions {
  t?: Owner;
  headers?: Record<string, string>;
  protocols?: string | string[];
}

interface Waiter {
  matches: (frame: Frame) => boolean;
  found: (frame: Frame) => void;
}

/** Starts to connect. Await {@link TestSocket.opened} for the open socket, or `upgradeStatus` where a refusal is due. */
export function connect(url: string, options: ConnectOptions = {}): TestSocket {
  const socket = new TestSocket(url, options);
  options.t?.teardown(() => socket.terminate());
  return socket;
}

/** Connects and waits until the socket is open. */
export async function open(url: string, options: ConnectOptions = {}): Promise<TestSocket> {
  const socket = connect(url, options);
  await socket.opened;
  return socket;
}

/** See {@link connect}. */
export class TestSocket {
  /** Every frame so far, in order, consumed or not. */
  readonly frames: Frame[] = [];
  /** Settles once the socket is open; rejects when the upgrade is refused or the connection fails. */
  readonly opened: Promise<void>;
  /** Settles once it is closed, however that came; a refused upgrade counts as 1006. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** HTTP status of the answer to the upgrade: 101 when it was accepted. */
  readonly upgradeStatus: Promise<number>;
  readonly ws: WebSocket;
  #unread: Frame[] = [];
  #waiters = new Set<Waiter>();
  #end: string | undefined;

  constructor(url: string, { headers = {}, protocols = [] }: ConnectOptions) {
    this.ws = new WebSocket(url, protocols, { headers, handshakeTimeout: OPEN_MS });
    const errors: string[] = [];
    this.ws.on('error', (error) => errors.push(error.message));
    this.ws.on('message', (data, isBinary) => this.#take(toFrame(data.toString(), isBinary)));

    this.upgradeStatus = new Promise((resolve, reject) => {
      this.ws.once('upgrade', (response) => resolve(response.statusCode ?? 101));
      this.ws.once('unexpected-response', (request, response) => {
        resolve(response.statusCode ?? 0);
        response.resume();
        request.destroy();
        this.ws.terminate();
      });
      this.ws.once('close', () =>
        reject(new Error(`no answer to the upgrade of ${url}: ${errors.join(', ')}`)),
      );
    });
    this.opened = new Promise((resolve, reject) => {
      this.ws.once('open', resolve);
      this.ws.once('close', () => {
        this.upgradeStatus.then(
          (status) => reject(new Error(`the upgrade of ${url} was answered with ${status}`)),
          reject,
        );
      });
    });
    this.closed = new Promise((resolve) => {
      this.ws.once('close', (code, reason) => {
        this.#end = `closed with ${code} ${reason}`.trim();
        resolve({ code, reason: reason.toString() });
      });
    });
    // A test that asks for one of them only must not fail for the other.
    this.upgradeStatus.catch(() => undefined);
    this.opened.catch(() => undefined);
  }

  /**
   * The oldest frame that matches and was not consumed yet, awaited for up to `ms`. Frames before
   * it stay for later calls.
   * @throws Error that shows what came instead
   */
  async next(matches: (frame: Frame) => boolean = () => true, ms = NEXT_MS): Promise<Frame> {
    const at = this.#unread.findIndex(matches);
    if (at >= 0) return this.#unread.splice(at, 1)[0] as Frame;
    const waiter: Waiter = { matches, found: () => undefined };
    const found = new Promise<Frame>((resolve) => {
      waiter.found = resolve;
    });
    this.#waiters.add(waiter);
    // A closed socket brings nothing more: no need to wait for the deadline.
    const ended = this.closed.then(() => {
      throw new Error('the socket closed');
    });
    ended.catch(() => undefined);
    try {
      return await within('a matching frame', Promise.race([found, ended]), ms);
    } catch (error) {
      throw this.#notFound(error, matches);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /** The first unread frame of this `type`. */
  nextOf(type: string, ms = NEXT_MS): Promise<Frame> {
    return this.next((frame) => frame.type === type, ms);
  }

  /** Fails when a matching frame is unread or comes within `ms`. */
  async quiet(ms: number, matches: (frame: Frame) => boolean = () => true): Promise<void> {
    const frame = await this.next(matches, ms).catch(() => undefined);
    if (frame) throw new Error(`unexpected frame: ${JSON.stringify(frame)}`);
  }

  /** Sends an object as JSON; text and bytes as they are. */
  send(data: object | string | Buffer): void {
    this.ws.send(typeof data === 'string' || Buffer.isBuffer(data) ? data : JSON.stringify(data));
  }

  /** Closes in good order and waits for the end. */
  async close(code = 1000, ms = NEXT_MS): Promise<{ code: number; reason: string }> {
    this.ws.close(code);
    return within('the socket is closed', this.closed, ms);
  }

  /** Cuts the connection without a close frame. */
  terminate(): void {
    this.ws.terminate();
  }

  /** Stops reading from the network, so that the server's buffers fill. */
  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  #take(frame: Frame): void {
    this.frames.push(frame);
    for (const waiter of this.#waiters) {
      if (!waiter.matches(frame)) continue;
      this.#waiters.delete(waiter);
      waiter.found(frame);
      return;
    }
    this.#unread.push(frame);
  }

  #notFound(error: unknown, matches: (frame: Frame) => boolean): Error {
    const why = error instanceof Error ? error.message : String(error);
    const came = this.#unread.slice(-SHOWN_FRAMES).map((frame) => `  ${JSON.stringify(frame)}`);
    const unread = came.length > 0 ? `unread frames:\n${came.join('\n')}` : 'no unread frames';
    const state = this.#end ?? 'still open';
    return new Error(`${why}; the socket is ${state}; wanted ${matches}; ${unread}`, { cause: error });
  }
}

function toFrame(text: string, isBinary: boolean): Frame {
  if (isBinary) return { raw: text };
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Frame)
      : { raw: value };
  } catch {
    return { raw: text };
  }
}
