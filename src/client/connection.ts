import { CloseCode, waitAfter } from './backoff.js';

/** What is needed of a WebSocket: the browser's, Node's own (from 22 on), or that of `ws`. */
export type SocketConstructor = new (url: string, protocols?: string[]) => object;

interface SocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  onerror: (() => void) | null;
}

/** `idle`: not wanted at the moment. `waiting`: cut off, and about to come back. `ended`: for good. */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'ended';

/** Why a connection is not tried any more. */
export type EndReason = 'closed' | 'unauthorized' | 'gone';

export interface ConnectionOptions {
  readonly WebSocket: SocketConstructor;
  /**
   * Where to connect to. `expired`: the token of the last time is not accepted any more; undefined says that there is no
   * other. A rejection counts as a failed attempt.
   */
  address(expired: boolean): Promise<{ url: string; protocols?: string[] } | undefined>;
  /** Why an attempt failed, as far as it can be told: browsers show no status of a refused upgrade. */
  refusal?(): Promise<'retry' | 'unauthorized' | 'gone'>;
  onOpen(): void;
  onText(text: string): void;
  onState?(state: ConnectionState): void;
  /** It was cut off, or (`wasOpen` is false) never came about: an attempt that failed has code 1006. */
  onClose?(code: number, wasOpen: boolean): void;
  onEnd?(reason: EndReason): void;
  /** From 0 to 1; Math.random unless given. */
  readonly random?: () => number;
  /** The longest wait between attempts, in ms; 15 s unless given. */
  readonly longestWaitMs?: number;
}

const OPEN = 1;
/** An attempt that takes longer has failed, in ms. */
const ATTEMPT_MS = 10_000;
/** A connection that lasted this long was none of the failures, in ms. */
const LASTING_MS = 3_000;

/**
 * A WebSocket that comes back, until it is closed or told not to: with jitter, slower with each failure, and as the close
 * code says. What is sent while it is not open is refused: whoever sends keeps it.
 */
export class Connection {
  #state: ConnectionState = 'idle';
  #socket: SocketLike | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #expired = false;
  #openedAt = 0;
  /** Attempts and connections so far; what belongs to an earlier one is not heard any more. */
  #turn = 0;
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Connects, at once, whatever it was waiting for. Nothing happens while it is open or under way, or after the end. */
  connect(): void {
    if (this.#state === 'connecting' || this.#state === 'open' || this.#state === 'ended') return;
    clearTimeout(this.#timer);
    this.#enter('connecting');
    this.#turn += 1;
    void this.#attempt(this.#turn);
  }

  /** Whether the text was handed to an open socket. That it arrives is for others to know. */
  send(text: string): boolean {
    if (this.#state !== 'open' || this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  /** The connection is thought dead: away with it, and on with the next. */
  restart(): void {
    if (this.#state === 'open') this.#lost(this.#turn, 1006);
  }

  /** Closes it, and stays away until {@link Connection.connect}. */
  leave(): void {
    if (this.#isOver()) return;
    this.#drop();
    this.#enter('idle');
  }

  /** Ends it for good. */
  close(): void {
    this.#end('closed');
  }

  async #attempt(turn: number): Promise<void> {
    try {
      const address = await this.#options.address(this.#expired);
      if (turn !== this.#turn) return;
      this.#expired = false;
      if (!address) this.#end('unauthorized');
      else this.#listen(new this.#options.WebSocket(address.url, address.protocols) as SocketLike, turn);
    } catch {
      this.#lost(turn, 1006);
    }
  }

  #listen(socket: SocketLike, turn: number): void {
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#failed(turn), ATTEMPT_MS);
    socket.onopen = () => {
      if (turn !== this.#turn) return;
      clearTimeout(this.#timer);
      this.#openedAt = performance.now();
      this.#enter('open');
      this.#options.onOpen();
    };
    socket.onmessage = ({ data }) => {
      if (turn === this.#turn && typeof data === 'string') this.#options.onText(data);
    };
    socket.onclose = ({ code }) => {
      if (turn !== this.#turn) return;
      if (this.#state === 'open') this.#lost(turn, code);
      else void this.#failed(turn);
    };
    // `ws` throws errors that nobody listens to; the close that follows tells all there is to know.
    socket.onerror = () => undefined;
  }

  /** The attempt did not lead to an open socket. */
  async #failed(turn: number): Promise<void> {
    clearTimeout(this.#timer);
    const why = await (this.#options.refusal?.() ?? Promise.resolve('retry')).catch(() => 'retry');
    if (turn !== this.#turn) return;
    if (why === 'gone') this.#lost(turn, CloseCode.roomGone);
    else this.#lost(turn, why === 'unauthorized' ? CloseCode.tokenExpired : 1006);
  }

  #lost(turn: number, code: number): void {
    if (turn !== this.#turn || this.#state === 'ended') return;
    const wasOpen = this.#state === 'open';
    const lasted = wasOpen && performance.now() - this.#openedAt >= LASTING_MS;
    this.#drop();
    this.#options.onClose?.(code, wasOpen);
    if (code === CloseCode.roomGone) this.#end('gone');
    if (this.#isOver()) return;
    this.#expired = code === CloseCode.tokenExpired;
    if (lasted) this.#failures = 0;
    const random = (this.#options.random ?? Math.random)();
    const ms = waitAfter(code, this.#failures, random, this.#options.longestWaitMs);
    this.#failures += 1;
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.connect(), ms);
  }

  #end(reason: EndReason): void {
    if (this.#isOver()) return;
    this.#drop();
    this.#enter('ended');
    this.#options.onEnd?.(reason);
  }

  #isOver(): boolean {
    return this.#state === 'ended';
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#turn += 1;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(1000);
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }
}
