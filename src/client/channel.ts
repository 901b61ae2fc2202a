import { CloseCode, retryAfter } from './backoff.js';
import type { ChannelEvents, ChannelOptions } from './channel-options.js';
import { Connection, type ConnectionState, type EndReason } from './connection.js';
import { Emitter } from './emitter.js';
import { Outbox, type Pending } from './outbox.js';
import { Pacer } from './pacer.js';
import { Reports, refOfReport } from './reports.js';
import { type Frame, messageOfDraft, parseFrame, type Said, type Speech } from './speech.js';
import { Told } from './told.js';
import { type Draft, type Message, type Receipt, RefusedError } from './types.js';

/** How often a place to resume from is asked for, in ms and in messages; the answer is the sign of life too. */
const CURSOR_MS = 20_000;
const CURSOR_MESSAGES = 200;
/** What was said is covered by an answer within this time, in ms. */
const COVER_MS = 1_000;
/** A socket that leaves a question unanswered for so long is dead, in ms. */
const SILENCE_MS = 8_000;

/**
 * A room, or all chats of a user, as one document speaks of them. It reconnects and resumes by itself: each message comes
 * once, in order; each send is repeated with the same key until it is acknowledged, and stored once.
 */
export class Channel extends Emitter<ChannelEvents> {
  readonly speech: Speech;
  readonly room: string;
  readonly #options: ChannelOptions;
  readonly #connection: Connection;
  readonly #outbox = new Outbox();
  readonly #reports: Reports;
  readonly #random: () => number;
  readonly #pacer: Pacer;
  readonly #told = new Told();
  #cursor: string;
  /** Whether there is anything that what comes next has to join on to. */
  #begun = false;
  #live = false;
  #sinceCursor = 0;
  #coverTimer: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setTimeout> | undefined;
  #asking = false;

  constructor(options: ChannelOptions) {
    super();
    this.#options = options;
    this.speech = options.speech;
    this.room = options.room;
    this.#cursor = options.since ?? '';
    this.#random = options.random ?? Math.random;
    this.#reports = new Reports(() => this.#sendReports(), this.#random);
    this.#connection = new Connection({
      WebSocket: options.WebSocket,
      ...(options.random ? { random: options.random } : {}),
      address: (expired) => options.address(this.#path(), expired),
      refusal: () => options.refusal(this.speech.probe(options.user, this.room)),
      onOpen: () => this.#onOpen(),
      onText: (text) => this.#onText(text),
      onState: (state) => this.emit('state', state),
      onClose: (code) => this.#onClose(code),
      onEnd: (reason) => this.#onEnd(reason),
    });
    this.#pacer = new Pacer((text) => this.#write(text));
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Whether everything up to now has been delivered, and what comes next will be at once. */
  get live(): boolean {
    return this.#live;
  }

  /** Connects now, also when it waits to try again: the network is back, say. */
  connect(): this {
    this.#connection.connect();
    return this;
  }

  /** Ends it. Sends without an acknowledgement are refused. */
  close(): void {
    this.#connection.close();
  }

  /**
   * Sends a message, now or once the socket is open again, until it is acknowledged.
   * @param key the same key stores one message within 24 h, however often it is sent; made here unless given
   * @throws RefusedError when the service does not take it, when too many wait, or when the channel ends
   */
  async send(draft: Draft, key: string = crypto.randomUUID()): Promise<Message> {
    if (this.state === 'ended') throw new RefusedError('the channel has ended');
    if (this.#outbox.find(key)) return (this.#outbox.find(key) as Pending).promise;
    const pending = this.#outbox.add(key, draft, JSON.stringify(this.speech.message(draft, key)));
    this.#attempt(pending);
    return pending.promise;
  }

  /** Sends that are not acknowledged. */
  get pending(): number {
    return this.#outbox.size;
  }

  /**
   * Reports a message as delivered or read, and goes on until the service has it.
   * @returns false where the document has no such frame
   */
  report(message: string, status: Receipt['status']): boolean {
    const receipt = { message, status, by: this.#options.user };
    if (!this.#reportFrame(receipt)) return false;
    if (this.#reports.add(receipt)) this.#sendReports();
    return true;
  }

  /** Sends a frame as it is; for trying a document by hand. Not repeated. */
  sendRaw(text: string): boolean {
    return this.#write(text);
  }

  #path(): string {
    const path = this.speech.path(this.#options.user, this.room);
    return this.#cursor === '' ? path : `${path}?since=${encodeURIComponent(this.#cursor)}`;
  }

  #write(text: string): boolean {
    if (!this.#connection.send(text)) return false;
    this.emit('frame', 'out', text);
    return true;
  }

  #attempt(pending: Pending): void {
    if (this.state !== 'open') return;
    this.#pacer.push(pending.text);
    this.#askSoon();
  }

  #onOpen(): void {
    // Without a place to resume from, what came while it was away is not told.
    if (this.#begun && this.#cursor === '') this.#startOver();
    this.#ask();
    for (const pending of this.#outbox.all()) this.#attempt(pending);
    this.#sendReports();
  }

  #onClose(code: number): void {
    this.#live = false;
    this.#asking = false;
    clearTimeout(this.#beat);
    clearTimeout(this.#coverTimer);
    this.#coverTimer = undefined;
    this.#pacer.clear();
    this.#reports.lost();
    if (code === CloseCode.tooBig) this.#outbox.refuseLargest();
  }

  #onEnd(reason: EndReason): void {
    this.#onClose(0);
    this.#outbox.refuseAll(
      new RefusedError(reason === 'gone' ? 'the room is gone' : 'the channel has ended'),
    );
    this.emit('ended', reason);
  }

  /** Asks for a place to resume from; who does not answer is not there. */
  #ask(): void {
    if (this.#asking || this.state !== 'open') return;
    this.#asking = true;
    // Behind what was said before: the answer is to cover that.
    this.#pacer.push(JSON.stringify(this.speech.askCursor()));
    this.#reports.asked();
    this.#expectAnswer();
  }

  #expectAnswer(): void {
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.#connection.restart(), SILENCE_MS);
  }

  #reportFrame(receipt: Receipt): Frame | undefined {
    return this.speech.report?.(receipt, this.#options.user, refOfReport(receipt));
  }

  #sendReports(): void {
    if (this.state !== 'open') return;
    const unsent = this.#reports.takeUnsent();
    for (const receipt of unsent) {
      this.#pacer.push(JSON.stringify(this.#reportFrame(receipt)));
    }
    if (unsent.length === 0) return;
    this.#askSoon();
  }

  /** What was said and is not answered by then is asked after: the answer covers it, or there is nobody to answer. */
  #askSoon(): void {
    this.#coverTimer ??= setTimeout(() => {
      this.#coverTimer = undefined;
      if (this.#reports.size > 0 || this.#outbox.size > 0) this.#ask();
    }, COVER_MS);
  }

  #onText(text: string): void {
    // The answer comes after all that is due: as long as something comes, it is not dead.
    if (this.#asking) this.#expectAnswer();
    this.emit('frame', 'in', text);
    const frame = parseFrame(text);
    if (frame) this.#take(this.speech.read(frame), frame);
  }

  #take(said: Said, frame: Frame): void {
    switch (said.kind) {
      case 'messages':
        for (const message of said.messages) this.#takeMessage(message, said.ref);
        break;
      case 'ack':
        this.#takeAck(said.ref, said.id, said.at);
        break;
      case 'receipt':
        if (this.speech.confirm) this.#pacer.push(JSON.stringify(this.speech.confirm(frame)));
        this.emit('receipt', said.receipt);
        break;
      case 'presence':
        this.emit('presence', said.text, said.at);
        break;
      case 'delta':
        this.emit('delta', said.text, said.at);
        break;
      case 'error':
        this.#takeError(said.detail, said.ref, said.retry);
        break;
      case 'cursor':
        this.#takeCursor(said.cursor);
        break;
      case 'reset':
        this.#startOver();
        break;
      case 'unknown':
        break;
    }
  }

  #startOver(): void {
    this.#told.clear();
    this.#cursor = '';
    this.#begun = true;
    this.emit('reset');
  }

  #takeMessage(message: Message, ref: string | undefined): void {
    const pending = this.#outbox.find(ref);
    if (!this.#isRepeat(message, pending !== undefined)) {
      this.#told.add(message);
      this.#begun = true;
      this.#sinceCursor += 1;
      if (this.#sinceCursor >= CURSOR_MESSAGES) this.#ask();
      this.emit('message', message, pending !== undefined);
    }
    if (pending) this.#outbox.acknowledge(pending, message);
  }

  #takeAck(ref: string, id: string, at: number): void {
    const pending = this.#outbox.find(ref);
    if (!pending) this.#reports.taken(ref);
    else this.#takeMessage(messageOfDraft(pending.draft, this.#options.user, id, at), ref);
  }

  #takeError(detail: string, ref: string | undefined, retry: boolean): void {
    const pending = this.#outbox.find(ref);
    if (pending && retry) this.#attemptLater(pending);
    else if (pending) this.#outbox.refuse(pending, new RefusedError(detail, 400));
    else if (!retry || !this.#reports.refuse(ref)) this.emit('refused', detail);
  }

  #attemptLater(pending: Pending): void {
    const ms = retryAfter(pending.refusals, this.#random());
    pending.refusals += 1;
    setTimeout(() => {
      if (this.#outbox.find(pending.ref) === pending) this.#attempt(pending);
    }, ms);
  }

  #takeCursor(cursor: string): void {
    this.#asking = false;
    if (cursor !== '') this.#cursor = cursor;
    this.#sinceCursor = 0;
    this.#reports.answered();
    clearTimeout(this.#beat);
    this.#beat = setTimeout(() => this.#ask(), CURSOR_MS);
    this.#sendReports();
    if (this.#live) return;
    this.#live = true;
    this.emit('ready');
  }

  /**
   * A resume repeats what came after the last cursor, and a key that is sent again is answered with its first message.
   * Where it is not known which message had a place, what else comes there is another one: a fail-over lost the first.
   */
  #isRepeat(message: Message, own: boolean): boolean {
    return this.#told.has(message) ?? (own || !this.#live);
  }
}
