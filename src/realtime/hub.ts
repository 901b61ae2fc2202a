import { ChatError } from '../core/errors.js';
import type { RoomId, UserId } from '../core/ids.js';
import type { RoomMarks } from '../core/marks.js';
import type { Position, Profile, Room, RoomEvent } from '../core/model.js';
import type { FanOut, Log, RoomStore } from '../core/ports.js';
import { Broadcaster } from './broadcast.js';
import { CatchUp } from './catchup.js';
import { type FeedOptions, RoomFeed } from './feed.js';
import { START } from './fork.js';
import { PendingSends } from './pending.js';
import { Session, type SessionOptions } from './session.js';
import { type RealtimeStats, reportFault } from './stats.js';
import { Ticker } from './ticker.js';

/** How often the newest appends are compared with what was handed out: finds a lost last message. */
const TIP_CHECK_MS = 2_000;
/** A difference must last this long before it counts: an event may be on its way. */
const SETTLE_MS = 100;
const RETRY_MS = 500;
/** How long a feed without readers is kept: a reconnecting crowd finds it open. */
const LINGER_MS = 10_000;

export interface HubOptions {
  readonly log: Log;
  readonly rooms: Pick<RoomStore, 'heads'>;
  readonly fanOut: FanOut;
  readonly stats: RealtimeStats;
  readonly profiles: (users: readonly UserId[]) => Promise<Map<UserId, Profile>>;
  readonly marks: (room: Room) => Promise<RoomMarks>;
  /** Messages of the page that a new reader starts with. */
  readonly newest: number;
  readonly onRollback: (room: Room, from: Position, to: Position | undefined) => void;
  /** Redis has no such rooms any more. */
  readonly onLost: (rooms: readonly Room[]) => void;
}

/** All feeds of a node: opens them, closes them, and sees to it that none stays behind its log. */
export class Hub {
  readonly #options: HubOptions;
  readonly #ticker = new Ticker();
  readonly #pending = new PendingSends();
  readonly #feedOptions: FeedOptions;
  readonly #catchUp: CatchUp;
  readonly #feeds = new Map<RoomId, RoomFeed>();
  /** Those that nobody reads, and since when (monotonic ms). */
  readonly #idle = new Map<RoomFeed, number>();
  readonly #unverified = new Set<RoomId>();
  /** Unverified too, and their server does not answer; whether they were subscribed anew since they were last asked for. */
  readonly #away = new Map<RoomId, boolean>();
  /** The second (Redis time, ms) of the newest append heard of in a room, and how often it was looked at. */
  #recent = new Map<RoomId, { newestMs: number; looks: number }>();
  #verifying = false;
  #awaiting = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    const broadcaster = new Broadcaster(this.#pending, options.stats);
    this.#feedOptions = { ...options, ticker: this.#ticker, broadcaster };
    this.#catchUp = new CatchUp({ ...options, pending: this.#pending });
  }

  start(): void {
    const check = () => {
      void this.#checkTips().finally(() => {
        if (!this.#closed) this.#timer = setTimeout(check, TIP_CHECK_MS);
      });
    };
    this.#timer = setTimeout(check, TIP_CHECK_MS);
  }

  /** A session for a socket. It reads nothing yet. */
  session(options: Pick<SessionOptions, 'user' | 'encoder' | 'transport' | 'onEvent' | 'oneRoom'>): Session {
    return new Session({
      ...options,
      ticker: this.#ticker,
      pending: this.#pending,
      stats: this.#options.stats,
      catchUp: this.#catchUp,
    });
  }

  /**
   * The feeds of those of `rooms` that there are, subscribed and in step with their logs. Each must be released once.
   * @throws ChatError unavailable when Redis does not answer in time; nothing is held then
   */
  async open(rooms: readonly RoomId[]): Promise<RoomFeed[]> {
    const feeds = rooms.map((room) => this.#acquire(room));
    try {
      this.#begin(feeds.filter((feed) => !feed.begun && !feed.opening));
      await Promise.all(new Set(feeds.map((feed) => feed.opening)));
    } catch (error) {
      for (const feed of feeds) this.release(feed);
      throw error;
    }
    for (const feed of feeds) if (!feed.begun) this.release(feed);
    return feeds.filter((feed) => feed.begun);
  }

  release(feed: RoomFeed): void {
    feed.readers -= 1;
    if (feed.readers === 0 && this.#feeds.get(feed.id) === feed) this.#idle.set(feed, performance.now());
  }

  /** Takes what came over a room's channel. */
  onEvents(room: RoomId, events: RoomEvent[]): void {
    this.#feeds.get(room)?.onEvents(events);
  }

  /** Whatever was published in these rooms before may be lost. */
  onSubscribed(rooms: readonly RoomId[]): void {
    for (const room of rooms) {
      if (this.#away.has(room)) this.#away.set(room, true);
      else if (this.#feeds.has(room)) this.#unverified.add(room);
    }
    void this.#verify();
  }

  /** Tells of a failure that is tried again, unless it is Redis that is away. */
  reportFault(error: unknown): void {
    reportFault(this.#options.stats, error);
  }

  get feedCount(): number {
    return this.#feeds.size;
  }

  get pendingSends(): number {
    return this.#pending.size;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const feed of this.#feeds.values()) feed.close();
  }

  #acquire(room: RoomId): RoomFeed {
    let feed = this.#feeds.get(room);
    if (!feed) {
      feed = new RoomFeed(room, this.#feedOptions);
      this.#feeds.set(room, feed);
    }
    if (feed.readers === 0) this.#idle.delete(feed);
    feed.readers += 1;
    return feed;
  }

  // Subscribed first, then the tip is read: nothing published in between can be missed.
  #begin(feeds: readonly RoomFeed[]): void {
    if (feeds.length === 0) return;
    const ids = feeds.map((feed) => feed.id);
    const opening = (async () => {
      try {
        await this.#options.fanOut.subscribe(ids);
        const heads = await this.#options.rooms.heads(ids);
        feeds.forEach((feed, i) => {
          const head = heads[i];
          if (head && head !== 'away') feed.begin(head);
        });
        if (heads.includes('away')) throw new Error('the server of a room is away');
      } catch {
        throw new ChatError('unavailable', 'the service is temporarily unavailable', { retryAfterS: 1 });
      } finally {
        for (const feed of feeds) feed.opening = undefined;
      }
    })();
    for (const feed of feeds) feed.opening = opening;
  }

  async #checkTips(): Promise<void> {
    this.#closeIdle();
    try {
      const recent = await this.#options.log.recentlyAppended(this.#feeds);
      await this.#compare(this.#suspects(recent), (rooms) => this.#options.log.tips(rooms));
    } catch (error) {
      reportFault(this.#options.stats, error);
      // Redis is away; the next round or the new subscription looks again.
    }
  }

  // An append in a later second than our head's was lost or is on its way. A second is looked at twice, which is once
  // when it is over: there may be others in it.
  #suspects(recent: ReadonlyMap<RoomId, number>): RoomId[] {
    const before = this.#recent;
    this.#recent = new Map();
    const suspects: RoomId[] = [];
    for (const [room, newestMs] of recent) {
      const feed = this.#feeds.get(room);
      if (!feed) continue;
      const last = before.get(room);
      const looks = last?.newestMs === newestMs ? last.looks + 1 : 1;
      this.#recent.set(room, { newestMs, looks });
      if (newestMs > feed.headCreatedMs || looks <= 2) suspects.push(room);
    }
    return suspects;
  }

  /** Compares the tips of `rooms` with what their feeds handed out, after a pause: an event may be on its way. */
  async #compare(
    rooms: readonly RoomId[],
    tipsOf: (rooms: readonly RoomId[]) => Promise<readonly (Position | undefined)[]>,
  ): Promise<void> {
    if (rooms.length === 0) return;
    const then = rooms.map((room) => this.#feeds.get(room)?.head.offset ?? 0);
    const tips = await tipsOf(rooms);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    rooms.forEach((room, i) => {
      const tip = tips[i];
      if (tip) this.#feeds.get(room)?.checkTip(tip, then[i] as number);
    });
  }

  async #verify(): Promise<void> {
    if (this.#verifying) return;
    this.#verifying = true;
    while (this.#unverified.size > 0 && !this.#closed) {
      const rooms = [...this.#unverified];
      this.#unverified.clear();
      // As if announced: they are to be asked for from now on.
      for (const room of await this.#verifySome(rooms)) this.#away.set(room, true);
      if (this.#away.size > 0) void this.#awaitThoseAway();
    }
    this.#verifying = false;
  }

  // Beside the others: on a cluster those whose primary is dead would hold them up.
  async #awaitThoseAway(): Promise<void> {
    if (this.#awaiting) return;
    this.#awaiting = true;
    while (this.#away.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      if (this.#closed) return;
      for (const room of this.#away.keys()) {
        if (this.#feeds.has(room)) this.#away.set(room, false);
        else this.#away.delete(room);
      }
      const rooms = [...this.#away.keys()];
      const still = new Set(await this.#verifySome(rooms));
      for (const room of rooms)
        if (!still.has(room) && this.#away.get(room) === false) this.#away.delete(room);
    }
    this.#awaiting = false;
  }

  /** @returns those of `rooms` whose server does not answer */
  async #verifySome(rooms: readonly RoomId[]): Promise<readonly RoomId[]> {
    try {
      let away: RoomId[] = [];
      await this.#compare(rooms, async (some) => {
        const tips = await this.#tipsAnew(some);
        away = some.filter((_, i) => !tips[i]);
        return tips;
      });
      return away;
    } catch (error) {
      reportFault(this.#options.stats, error);
      return rooms;
    }
  }

  /**
   * Tips of rooms whose primary may be another one by now: those that it does not have any more are over. Undefined: that
   * primary is away.
   */
  async #tipsAnew(rooms: readonly RoomId[]): Promise<(Position | undefined)[]> {
    const feeds = rooms.map((room) => this.#feeds.get(room));
    const heads = await this.#options.rooms.heads(rooms);
    const lost: Room[] = [];
    heads.forEach((head, i) => {
      const feed = feeds[i];
      // It may have been closed meanwhile, and opened anew.
      if (!feed?.begun || feed.closed || head === 'away') return;
      // The number may be another room's.
      if (head?.room.createdMs === feed.room.createdMs) return;
      lost.push(feed.room);
      this.#drop(feed);
    });
    if (lost.length > 0) this.#options.onLost(lost);
    return heads.map((head) => (head === 'away' ? undefined : (head?.tip ?? START)));
  }

  #drop(feed: RoomFeed): void {
    this.#feeds.delete(feed.id);
    this.#idle.delete(feed);
    this.#options.fanOut.unsubscribe(feed.id);
    feed.lose();
  }

  #closeIdle(): void {
    const now = performance.now();
    for (const [feed, since] of this.#idle) {
      if (now - since < LINGER_MS || feed.opening) continue;
      this.#idle.delete(feed);
      feed.close();
      this.#feeds.delete(feed.id);
      this.#options.fanOut.unsubscribe(feed.id);
    }
  }
}
