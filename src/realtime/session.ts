import { type ChatError, CloseCode } from '../core/errors.js';
import type { UserId } from '../core/ids.js';
import type { Nonce, Position } from '../core/model.js';
import type { Encoder, Ref } from '../core/rendering.js';
import { textFrame } from './frame.js';
import type { PendingSends } from './pending.js';
import type { CatchUpRunner, Feed, Reader, ReadStart } from './reader.js';
import type { RealtimeStats } from './stats.js';
import type { Flushable, Ticker } from './ticker.js';

/** The socket under a session. */
export interface Transport {
  /** Queues finished frames. Never throws, not even on a dead socket. */
  write(chunk: Buffer): void;
  /** Bytes queued that the network has not taken. */
  readonly unsent: number;
  close(code: number, reason: string): void;
}

/** Bytes a socket may have waiting. Past it the reader is no longer live and goes on from the log. */
export const OUTBOX_BYTES = 256 * 1024;
/** Messages with files that a session remembers having shown. */
const REMEMBERED_FILES = 256;
/** A socket that takes nothing for this long is closed with 4408. */
const STALL_LIMIT_MS = 30_000;

export interface SessionOptions {
  readonly user: UserId;
  readonly encoder: Encoder;
  readonly transport: Transport;
  readonly onEvent: Reader['onEvent'];
  /** Whether it reads one room, and has nothing to do without it. */
  readonly oneRoom: boolean;
  readonly ticker: Ticker;
  readonly pending: PendingSends;
  readonly stats: RealtimeStats;
  readonly catchUp: CatchUpRunner;
}

/**
 * One socket as a reader of rooms. It is live in a feed, or behind and reading the log; either way its memory is
 * bounded by the outbox. All frames of one turn of the event loop leave in one write.
 */
export class Session implements Reader, Flushable {
  readonly user: UserId;
  readonly encoder: Encoder;
  readonly onEvent: Reader['onEvent'];
  closed = false;
  readonly #options: SessionOptions;
  readonly #feeds = new Set<Feed>();
  readonly #behind = new Map<Feed, Position>();
  readonly #restarts = new Set<Feed>();
  readonly sent: Nonce[] = [];
  readonly alone: readonly Reader[] = [this];
  readonly #files = new Set<Nonce>();
  /** Made with its first element: an empty list that grows would take four times the memory, for each delivery. */
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  #stalledAt: number | undefined;
  #drained: (() => void)[] = [];

  constructor(options: SessionOptions) {
    this.user = options.user;
    this.encoder = options.encoder;
    this.onEvent = options.onEvent;
    this.#options = options;
  }

  get stalled(): boolean {
    return this.#stalledAt !== undefined;
  }

  /** The feeds this session reads. */
  get feeds(): ReadonlySet<Feed> {
    return this.#feeds;
  }

  /**
   * Starts to read `feed`, which was opened. Resolves once the reader is live, undefined when it is at once, or never
   * because the room was lost since; rejects never.
   */
  read(feed: Feed, start: ReadStart): Promise<void> | undefined {
    if (feed.closed) {
      this.lose(feed);
      return undefined;
    }
    this.#feeds.add(feed);
    // Nothing to catch up with, as in nearly all of a person's rooms: no round through the log.
    if (start.from === 'position' && isAt(start.position, feed.head)) {
      feed.addLive(this);
      return undefined;
    }
    feed.addBehind(this);
    this.#behind.set(feed, feed.head);
    return this.#options.catchUp.run(this, feed, start);
  }

  push(chunk: Buffer): void {
    if (this.closed) return;
    if (this.#chunks) this.#chunks.push(chunk);
    else {
      this.#chunks = [chunk];
      this.#options.ticker.outbox(this);
    }
    this.#bytes += chunk.length;
    if (this.#stalledAt === undefined && this.#waiting() > OUTBOX_BYTES) {
      this.#stalledAt = performance.now();
      this.#options.stats.stalls += 1;
    }
  }

  firstSight(nonce: Nonce): boolean {
    if (this.#files.has(nonce)) return false;
    this.#files.add(nonce);
    if (this.#files.size > REMEMBERED_FILES) this.#files.delete(this.#files.values().next().value as Nonce);
    return true;
  }

  /** Queues an answer to something that the client itself sent. A client that asks but never reads is closed. */
  reply(text: string): void {
    this.push(textFrame(text));
    if (this.#waiting() > 2 * OUTBOX_BYTES) this.close(CloseCode.tooSlow, 'too slow');
  }

  replyError(error: ChatError, ref?: Ref): void {
    this.reply(this.encoder.error(error, ref));
  }

  flush(): void {
    const chunks = this.#chunks;
    if (!chunks) return;
    this.#chunks = undefined;
    this.#bytes = 0;
    if (this.closed) return;
    this.#options.transport.write(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    if (this.stalled && this.#options.transport.unsent === 0) setImmediate(() => this.onDrain());
  }

  /** The socket took everything it had waiting. */
  onDrain(): void {
    this.#stalledAt = undefined;
    for (const resume of this.#drained.splice(0)) resume();
  }

  async capacity(): Promise<void> {
    while (this.stalled && !this.closed) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /** Closes a socket that has taken nothing for too long. */
  checkStalled(now: number): void {
    if (this.#stalledAt !== undefined && now - this.#stalledAt > STALL_LIMIT_MS) {
      this.close(CloseCode.tooSlow, 'too slow');
    }
  }

  fallBehind(feed: Feed, position: Position): void {
    if (this.closed) return;
    feed.addBehind(this);
    this.#behind.set(feed, position);
    void this.#options.catchUp.run(this, feed);
  }

  positionIn(feed: Feed): Position | undefined {
    return this.#behind.get(feed);
  }

  advance(feed: Feed, position: Position): void {
    this.#behind.set(feed, position);
  }

  goLive(feed: Feed): void {
    this.#behind.delete(feed);
    feed.addLive(this);
  }

  rewind(feed: Feed, position: Position): void {
    const at = this.#behind.get(feed);
    if (at && at.offset > position.offset) this.#behind.set(feed, position);
  }

  restart(feed: Feed): void {
    if (this.closed) return;
    this.#restarts.add(feed);
    if (!this.#behind.has(feed)) this.fallBehind(feed, feed.head);
  }

  lose(feed: Feed): void {
    this.#feeds.delete(feed);
    this.#behind.delete(feed);
    this.#restarts.delete(feed);
    if (this.#options.oneRoom) this.close(CloseCode.roomGone, 'the room is gone');
  }

  takeRestart(feed: Feed): boolean {
    return this.#restarts.delete(feed);
  }

  /** The position up to which this socket has been sent everything of `feed`. */
  sentUpTo(feed: Feed): Position {
    feed.flush();
    return this.#behind.get(feed) ?? feed.head;
  }

  /** Registers a send of this socket, before it is appended. */
  expect(nonce: Nonce, ref: Ref | undefined, undecided: Promise<void> | undefined): void {
    if (this.closed) return; // gone while what is said was looked at: nobody would take it out again
    this.#options.pending.add(nonce, { session: this, ref, undecided, storedAt: undefined });
  }

  /** The send is decided: an acknowledgement may go out for what stands at `storedAt`, or there will be none. */
  decided(nonce: Nonce, storedAt: number | undefined): void {
    const send = this.#options.pending.get(nonce);
    if (storedAt === undefined) this.#options.pending.delete(nonce);
    else if (send) {
      send.undecided = undefined;
      send.storedAt = storedAt;
    }
  }

  /** Sends what is queued, closes the socket, and ends reading. */
  close(code: number, reason: string): void {
    if (this.closed) return;
    this.flush();
    this.#options.transport.close(code, reason);
    this.dispose();
  }

  /** Ends reading. Called when the socket is gone, for whatever reason. */
  dispose(): void {
    this.closed = true;
    for (const feed of this.#feeds) feed.remove(this);
    this.#behind.clear();
    for (const nonce of [...this.sent]) this.#options.pending.delete(nonce);
    this.#chunks = undefined;
    this.onDrain();
  }

  #waiting(): number {
    return this.#options.transport.unsent + this.#bytes;
  }
}

function isAt(position: Position, head: Position): boolean {
  return position.offset === head.offset && position.nonce === head.nonce;
}
