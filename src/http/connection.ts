import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { ChatError, CloseCode } from '../core/errors.js';
import type { UserId } from '../core/ids.js';
import { checkRef, parseFrame, repeatable } from '../core/input.js';
import type { RoomMarks } from '../core/marks.js';
import type { Messages } from '../core/messages.js';
import type { Message, Profile, Room } from '../core/model.js';
import type { Ref } from '../core/rendering.js';
import type { ChatSocket, SocketRoute, SocketSend } from '../dialects/dialect.js';
import type { Session, Transport } from '../realtime/session.js';
import type { FrameBucket } from './bucket.js';
import { toChatError } from './errors.js';
import type { Reading } from './reading.js';
import { Sends } from './sends.js';

/** Frames that may wait while the socket gets ready or a frame before them is worked on. */
const MAX_WAITING_FRAMES = 64;
/** Sends without an outcome; past it the socket is not read. */
const MAX_UNANSWERED = 64;
/** How long what came before may hold up the close of a socket that says too much, in ms. */
const LAST_ANSWERS_MS = 1_000;
/** How often a socket that is to be closed is looked at, in ms. */
const IDLE_CHECK_MS = 10;
/** How long a peer may take to answer our close frame, in ms. */
const CLOSE_WAIT_MS = 3_000;

export interface ConnectionOptions {
  readonly ws: WebSocket;
  readonly tcp: Socket;
  readonly route: SocketRoute;
  readonly profile: Profile;
  /** The same, as known now; undefined when it is not. */
  readonly profileNow: () => Profile | undefined;
  /** The room of a room socket. */
  readonly room: Room | undefined;
  readonly expiresAt: number | undefined;
  readonly messages: Messages;
  readonly marks: (room: Room) => Promise<RoomMarks>;
  readonly bucket: FrameBucket | undefined;
  /** What is stored is waited for: a send's own frame until the append is confirmed, other frames not for that of receipts. */
  readonly holdOwn: boolean;
  readonly onFrame: () => void;
  readonly onClosing: (code: number) => void;
  /** Takes an error that is ours. */
  readonly onFault: (error: unknown) => void;
}

/**
 * One WebSocket: bytes in, frames out. It takes frames one after the other, never more than it can answer.
 */
export class Connection implements ChatSocket, Transport {
  readonly user: UserId;
  readonly room: Room | undefined;
  readonly route: SocketRoute;
  readonly expiresAt: number | undefined;
  /** Whether a ping is unanswered. */
  awaitingPong = false;
  /** Resolves, always, when the socket is gone: whether by the client's own close frame. */
  readonly closed: Promise<boolean>;
  readonly #options: ConnectionOptions;
  #session: Session | undefined;
  /** Made with the first send: most sockets only read. */
  #sends: Sends | undefined;
  #reading: Reading | undefined;
  #waiting: { data: Buffer; binary: boolean }[] = [];
  #ready = false;
  #busy = false;
  /** See {@link meanwhile}; made when it is needed, as only receipts with `durable` do. */
  #besides: Set<Promise<void>> | undefined;
  #paused = false;
  /** Nothing more is taken from it: it is closed when what it said before has its outcome. */
  #ending = false;
  #closing = false;
  #terminateAt = Number.POSITIVE_INFINITY;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.user = options.profile.id;
    this.room = options.room;
    this.route = options.route;
    this.expiresAt = options.expiresAt;
    const { ws, tcp } = options;
    ws.on('message', (data, binary) => this.#onMessage(data as Buffer, binary));
    ws.on('pong', () => {
      this.awaitingPong = false;
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', (code) => resolve(this.#onClose(code)));
    });
    tcp.on('drain', () => this.#session?.onDrain());
  }

  /** Who reads for this socket, and where from. */
  attach(session: Session, reading: Reading): void {
    this.#session = session;
    this.#reading = reading;
  }

  get #unanswered(): number {
    return (this.#sends?.open ?? 0) + (this.#besides?.size ?? 0);
  }

  /** Whether something that it said has no outcome yet, or an outcome that it was not told. */
  get #hasWork(): boolean {
    const unshown = this.#session?.sent.length ?? 0;
    return this.#busy || this.#waiting.length > 0 || this.#unanswered > 0 || unshown > 0;
  }

  /** Whether the socket is closed, or on its way there. */
  get over(): boolean {
    return this.#closing;
  }

  /** The reader is live: the frames that waited are taken, and those to come. */
  ready(): void {
    this.#ready = true;
    this.#work();
  }

  write(chunk: Buffer): void {
    const { ws, tcp } = this.#options;
    // Straight to the TCP socket: the frames are finished. After our close frame nothing may follow.
    if (ws.readyState === ws.OPEN && !tcp.destroyed) tcp.write(chunk);
  }

  get unsent(): number {
    return this.#options.tcp.writableLength;
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#terminateAt = performance.now() + CLOSE_WAIT_MS;
    this.#options.onClosing(code);
    this.#options.ws.close(code, reason);
  }

  /** Takes nothing more, and ends the socket when what it said before has its outcome and is answered, after `ms` at the latest. */
  async closeWhenIdle(code: number, reason: string, ms: number): Promise<void> {
    this.#ending = true;
    const deadline = performance.now() + ms;
    while (this.#hasWork && !this.#closing && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_CHECK_MS));
    }
    this.#end(code, reason);
  }

  /** Ends the socket without a word. */
  terminate(): void {
    this.#options.ws.terminate();
  }

  /** Once a second: closes what is over, gives up on who does not answer. */
  check(now: number, wallMs: number): void {
    if (now > this.#terminateAt) this.#options.ws.terminate();
    else if (this.expiresAt !== undefined && wallMs >= this.expiresAt) {
      this.#end(CloseCode.tokenExpired, 'token expired');
    } else this.#session?.checkStalled(now);
  }

  /** Asks for a sign of life; who did not answer the last one is gone. */
  ping(): void {
    if (this.awaitingPong) this.#options.ws.terminate();
    else if (!this.#closing) {
      this.awaitingPong = true;
      this.#options.ws.ping();
    }
  }

  async announce(message: Message): Promise<void> {
    this.#session?.firstSight(message.nonce);
    await this.#options.messages.announce(message);
  }

  reply(text: string): void {
    this.#session?.reply(text);
  }

  async replyCursor(): Promise<void> {
    await Promise.all(this.#besides ?? []);
    await this.#reading?.cursor((cursor) => this.reply(this.route.encoder.cursor(cursor)));
  }

  meanwhile(work: Promise<void>, ref: Ref | undefined): Promise<void> | undefined {
    if (!this.#options.holdOwn) return work;
    const done = work
      .catch((error) => this.#replyError(error, ref))
      .finally(() => {
        this.#besides?.delete(done);
        this.#steer();
      });
    this.#besides ??= new Set();
    this.#besides.add(done);
    return undefined;
  }

  send(message: SocketSend): void {
    if (!this.#session) return;
    this.#sends ??= this.#makeSends(this.#session);
    void this.#sends.send(message);
  }

  #makeSends(session: Session): Sends {
    const { route, messages, marks, holdOwn } = this.#options;
    return new Sends({
      ...{ session, encoder: route.encoder, messages, marks, holdOwn },
      profile: () => this.#options.profileNow() ?? this.#options.profile,
      onError: (error, ref) => this.#replyError(error, ref),
      onDone: () => this.#steer(),
    });
  }

  #onMessage(data: Buffer, binary: boolean): void {
    if (this.#ending || this.#closing || this.#session?.closed) return;
    this.#options.onFrame();
    // Whoever is ready and not busy has nothing waiting.
    if (this.#ready && !this.#busy) this.#handle(data, binary);
    else this.#waiting.push({ data, binary });
    this.#steer();
  }

  // One frame after the other: a client's sends keep their order. Most are done at once, without a promise.
  #handle(data: Buffer, binary: boolean): void {
    const pending = this.#take(data, binary);
    if (!pending) return;
    this.#busy = true;
    void pending.finally(() => {
      this.#busy = false;
      this.#work();
    });
  }

  #work(): void {
    while (this.#ready && !this.#busy && !this.#closing) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#handle(next.data, next.binary);
    }
    this.#steer();
  }

  #take(data: Buffer, binary: boolean): Promise<void> | undefined {
    const toll = this.#options.bucket?.take(performance.now()) ?? 'pass';
    if (toll === 'close') {
      this.#waiting = [];
      void this.closeWhenIdle(CloseCode.tooMany, 'too many messages', LAST_ANSWERS_MS);
      return undefined;
    }
    let given: Ref | undefined;
    try {
      const frame = parseFrame(data, binary);
      const asked = this.route.refOf(frame);
      given = repeatable(asked);
      const ref = checkRef(asked);
      if (toll === 'refuse') throw new ChatError('rate_limited', 'too many messages');
      const result = this.route.onFrame(frame, this, ref);
      return result?.catch((error) => this.#replyError(error, ref));
    } catch (error) {
      this.#replyError(error, given);
      return undefined;
    }
  }

  #replyError(thrown: unknown, ref: Ref | undefined): void {
    const error = toChatError(thrown);
    if (error.code === 'internal') this.#options.onFault(thrown);
    this.#session?.replyError(error, ref);
  }

  /** Reads from the socket only while there is room for what comes. */
  #steer(): void {
    const full = this.#waiting.length >= MAX_WAITING_FRAMES || this.#unanswered >= MAX_UNANSWERED;
    if (full !== this.#paused) {
      this.#paused = full;
      if (full) this.#options.ws.pause();
      else this.#options.ws.resume();
    }
  }

  #end(code: number, reason: string): void {
    if (this.#session) this.#session.close(code, reason);
    else this.close(code, reason);
  }

  #onClose(code: number): boolean {
    // 1006: no close frame came. One that answers ours does not count as the client's own wish.
    const clean = code !== 1006 && !this.#closing;
    this.#closing = true;
    this.#waiting = [];
    this.#session?.dispose();
    return clean;
  }
}
