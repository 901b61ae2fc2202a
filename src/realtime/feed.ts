import type { RoomId, UserId } from '../core/ids.js';
import type { Message, MessageEvent, Nonce, Position, Profile, Room, RoomEvent } from '../core/model.js';
import type { Head, Log } from '../core/ports.js';
import { classify, NonceMemory, REMEMBERED_NONCES } from '../core/position.js';
import type { BatchItem, Broadcaster } from './broadcast.js';
import { commonPlace, isFork, START } from './fork.js';
import { type Feed, NOBODY, type Reader, withoutReader, withReader } from './reader.js';
import { type RealtimeStats, reportFault } from './stats.js';
import { Tail } from './tail.js';
import type { FlushableFeed, Ticker } from './ticker.js';
import { Undone } from './undone.js';

/** Messages of one read of the log. */
const PAGE = 500;
/** Events that wait while the log is read; more are dropped, since the log has them too. */
const MAX_HELD = 1_000;
/** Passes over the log in one repair: what is missing after them, the tip check finds. */
const MAX_PASSES = 3;
const RETRY_MS = 250;

export interface FeedOptions {
  readonly log: Log;
  readonly ticker: Ticker;
  readonly broadcaster: Broadcaster;
  readonly stats: RealtimeStats;
  readonly profiles: (users: readonly UserId[]) => Promise<Map<UserId, Profile>>;
  readonly onRollback: (room: Room, from: Position, to: Position | undefined) => void;
}

/**
 * One room as this node reads it: subscribed, in step with the log, handing every message once and in
 * order to the local sockets that are live. Whatever pub/sub loses, repeats or brings out of order is
 * mended here from the log; sockets never notice.
 */
export class RoomFeed implements Feed, FlushableFeed {
  readonly id: RoomId;
  /** Local readers; kept by the hub. */
  readers = 0;
  /** While it is being opened: settles when it has begun, or could not; kept by the hub. */
  opening: Promise<void> | undefined;
  readonly #options: FeedOptions;
  // A person's socket reads thousands of quiet rooms: what only a busy one needs is made when it is needed.
  /** Nonces up to the head; undefined: the head's alone. */
  #memory: NonceMemory | undefined;
  #live = NOBODY;
  #behind: Set<Reader> | undefined;
  #tail: Tail | undefined;
  #undone: Undone | undefined;
  #room: Room | undefined;
  #head = START;
  #headCreatedMs = 0;
  /** The offset that {@link begin} began at. */
  #began: number | undefined;
  #held: MessageEvent[] | undefined = []; // until begin()
  #batch: BatchItem[] | undefined;
  #closed = false;

  constructor(id: RoomId, options: FeedOptions) {
    this.id = id;
    this.#options = options;
  }

  /** Known from {@link begin} on: before it, a feed has no readers. */
  get room(): Room {
    return this.#room as Room;
  }

  get head(): Position {
    return this.#head;
  }

  get tail(): Tail {
    this.#tail ??= new Tail();
    return this.#tail;
  }

  nonceAt(offset: number): Nonce | undefined {
    if (this.#memory) return this.#memory.at(offset);
    return offset > 0 && offset === this.#head.offset ? this.#head.nonce : undefined;
  }

  wasShown(reader: Reader, message: Position): boolean {
    return this.#undone?.wasShown(reader, message) ?? false;
  }

  forgetShown(reader: Reader): void {
    this.#undone?.forget(reader);
  }

  /** Whether it is subscribed and was in step once. */
  get begun(): boolean {
    return this.#began !== undefined;
  }

  get headCreatedMs(): number {
    return this.#headCreatedMs;
  }

  /** Goes live at the tip, which was read after the subscription was acknowledged. */
  begin({ room, tip }: Head): void {
    this.#room = room;
    this.#head = tip;
    this.#began = tip.offset;
    const held = this.#held ?? [];
    this.#held = undefined;
    this.onEvents(held.filter((event) => event.message.offset > tip.offset));
  }

  /** Takes what came over the room's channel, in the order of publication. */
  onEvents(events: readonly RoomEvent[]): void {
    for (const event of events) {
      if (event.kind !== 'message') this.#enqueue({ event, before: this.#head });
      else if (this.#held) this.#hold(event);
      else this.#onMessage(event);
    }
  }

  checkTip(tip: Position, headThen: number): boolean {
    if (this.#held) return true; // a repair is under way, or begin() has yet to come
    const known = this.nonceAt(tip.offset);
    const behind = tip.offset > this.#head.offset || tip.offset < headThen;
    const differs = behind || (known !== undefined && known !== tip.nonce);
    if (differs) this.#startRepair();
    return differs;
  }

  addLive(reader: Reader): void {
    this.flush();
    this.#notBehind(reader);
    this.#live = withReader(this.#live, reader);
  }

  addBehind(reader: Reader): void {
    this.#live = withoutReader(this.#live, reader);
    this.#behind ??= new Set();
    this.#behind.add(reader);
  }

  remove(reader: Reader): void {
    this.#live = withoutReader(this.#live, reader);
    this.#notBehind(reader);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The room is gone: {@link close}, and the readers are told. */
  lose(): void {
    const readers = this.#readers;
    this.close();
    for (const reader of readers) reader.lose(this);
  }

  /** Stops everything; what is under way ends without effect. */
  close(): void {
    this.#closed = true;
    this.#live = NOBODY;
    this.#behind = undefined;
  }

  flush(): number {
    const batch = this.#batch;
    if (!batch) return 0;
    this.#batch = undefined;
    this.#options.broadcaster.send(this, batch, this.#live);
    if (this.#behind) this.#options.broadcaster.sendEvents(this, batch, this.#behind);
    // Whoever is behind may have been shown of it what it is yet to come to.
    if (!this.#behind && this.#undone?.endsAt(this.#head.offset)) this.#undone = undefined;
    return batch.length;
  }

  /** All of them, as they are now. */
  get #readers(): Reader[] {
    return [...this.#live, ...(this.#behind ?? [])];
  }

  get #firstRemembered(): number {
    return this.#memory?.first ?? this.#head.offset;
  }

  #notBehind(reader: Reader): void {
    this.#behind?.delete(reader);
    if (this.#behind?.size === 0) this.#behind = undefined;
  }

  #hold(event: MessageEvent): void {
    if ((this.#held as MessageEvent[]).length < MAX_HELD) (this.#held as MessageEvent[]).push(event);
  }

  #onMessage(event: MessageEvent): void {
    const { message, prev } = event;
    // On its way while the tip was read: part of what the tip stands for.
    if (message.offset <= (this.#began ?? 0) && message.offset < this.#firstRemembered) return;
    const place = { offset: message.offset, nonce: message.nonce, prev };
    const verdict = classify(this.#head, place, (offset) => this.nonceAt(offset));
    if (verdict === 'next') this.#deliver(message, event.profile, true);
    else if (verdict !== 'known') {
      this.#options.stats.gaps += 1;
      this.#startRepair();
      this.#hold(event);
    }
  }

  #deliver(message: Message, profile: Profile | undefined, live: boolean): void {
    const before = this.#head;
    this.#memory ??= NonceMemory.from(before);
    this.#memory.push(message.offset, message.nonce);
    this.#head = { offset: message.offset, nonce: message.nonce };
    this.#headCreatedMs = message.createdMs;
    // Who catches up is to find here what came meanwhile.
    this.tail.push(message, before.offset, this.#behind ? undefined : this.readers);
    this.#enqueue({ message, profile, live, before, again: this.#undone?.has(message) ?? false });
  }

  #enqueue(item: BatchItem): void {
    if (this.#batch) {
      this.#batch.push(item);
      return;
    }
    this.#batch = [item];
    this.#options.ticker.feed(this);
  }

  #startRepair(): void {
    if (this.#held) return;
    this.#held = [];
    void this.#repair();
  }

  async #repair(): Promise<void> {
    for (let pass = 0; pass < MAX_PASSES && !this.#closed; ) {
      try {
        await this.#readToEnd();
        pass += 1;
      } catch (error) {
        reportFault(this.#options.stats, error);
        // Redis is away: the log is read when it answers again.
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      if (this.#replayHeld()) break;
    }
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const event of held) this.#deliverIfNext(event);
  }

  /** Hands out the held events that continue the head; false when one shows that the log has more. */
  #replayHeld(): boolean {
    const held = this.#held as MessageEvent[];
    this.#held = [];
    for (const event of held) this.#deliverIfNext(event);
    return held.every((event) => event.message.offset <= this.#head.offset);
  }

  #deliverIfNext(event: MessageEvent): void {
    const { message, prev } = event;
    if (message.offset === this.#head.offset + 1 && prev === this.#head.nonce)
      this.#deliver(message, event.profile, true);
  }

  // Reads from the head inclusive: the entry there proves that this is still the same history.
  async #readToEnd(): Promise<void> {
    for (;;) {
      const from = this.#head;
      const page = await this.#options.log.readAfter(this.id, Math.max(0, from.offset - 1), PAGE);
      this.#options.stats.logReads += 1;
      if (this.#closed) return;
      const first = page[0];
      if (from.offset > 0 && (await isFork(this.#options.log, this.id, from, first))) {
        await this.#followFork(from);
        continue;
      }
      const fresh = page.filter((message) => message.offset > from.offset);
      const profiles = await this.#profilesOf(fresh);
      for (const message of fresh) this.#deliver(message, profiles?.get(message.sender), true);
      this.#options.stats.recovered += fresh.length;
      if (page.length < PAGE) return;
    }
  }

  async #profilesOf(messages: readonly Message[]): Promise<Map<UserId, Profile> | undefined> {
    if (this.room.kind === 'public' || messages.length === 0) return undefined;
    return this.#options.profiles([...new Set(messages.map((message) => message.sender))]);
  }

  /** The log has another history than ours: goes on from the newest entry that both have. */
  async #followFork(from: Position): Promise<void> {
    const entries = await this.#options.log.readBefore(this.id, from.offset, REMEMBERED_NONCES);
    if (this.#closed) return;
    const common = commonPlace(entries, this.#firstRemembered, (offset) => this.nonceAt(offset));
    this.flush();
    this.#tail = undefined;
    this.#options.onRollback(this.room, from, common);
    this.#options.stats.rolledBack += from.offset - (common?.offset ?? this.#firstRemembered - 1);
    if (common) {
      this.#options.stats.rollbacks += 1;
      this.#undone = new Undone(this, common, this.#readers, this.#undone);
      this.#memory?.cutAbove(common.offset);
      this.#head = common;
      for (const reader of this.#behind ?? []) reader.rewind(this, common);
      return;
    }
    this.#options.stats.resyncs += 1;
    const [tip] = await this.#options.log.tips([this.id]);
    this.#head = tip as Position;
    this.#memory = undefined;
    this.#undone = undefined;
    for (const reader of this.#readers) reader.restart(this);
  }
}
