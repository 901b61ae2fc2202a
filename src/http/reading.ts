import { formatCursor, type Since } from '../core/cursor.js';
import { notFound } from '../core/errors.js';
import type { RoomId, UserId } from '../core/ids.js';
import type { Position, UserEvent } from '../core/model.js';
import type { CursorStore } from '../core/ports.js';
import { formatUserCursor, movedSince, type UserCursor } from '../core/user-cursor.js';
import type { RoomFeed } from '../realtime/feed.js';
import type { Hub } from '../realtime/hub.js';
import type { Session } from '../realtime/session.js';
import type { UserFeed, UserFeeds, UserReader } from '../realtime/user-feeds.js';

/**
 * What a socket reads. It is prepared before the upgrade is answered: from the moment that the client sees its socket
 * open, nothing that is sent passes it by.
 */
export interface Reading {
  /**
   * Opens what is read, and notes where it stands now.
   * @throws ChatError unavailable; nothing is held then
   */
  prepare(): Promise<void>;
  /** Resolves when the session is live, or closed. */
  start(session: Session): Promise<void>;
  /**
   * Hands a cursor to `tell`, at a moment when all up to it has been queued for the client and nothing past it.
   * @throws ChatError unavailable
   */
  cursor(tell: (cursor: string) => void): Promise<void>;
  /** Lets go of everything; also when it was never started. */
  close(): void;
}

/** Where a room socket starts: with the newest page, after a place, or with what comes. */
export type RoomStart = 'newest' | 'head' | Since;

/** One room. */
export class RoomReading implements Reading {
  readonly #hub: Hub;
  readonly #room: RoomId;
  readonly #start: RoomStart;
  #feed: RoomFeed | undefined;
  #head: Position | undefined;
  #session: Session | undefined;

  constructor(hub: Hub, room: RoomId, start: RoomStart) {
    this.#hub = hub;
    this.#room = room;
    this.#start = start;
  }

  async prepare(): Promise<void> {
    const [feed] = await this.#hub.open([this.#room]);
    if (!feed) throw notFound('room');
    this.#feed = feed;
    this.#head = feed.head;
  }

  async start(session: Session): Promise<void> {
    this.#session = session;
    if (!this.#feed || !this.#head) return;
    if (this.#start === 'newest') await session.read(this.#feed, { from: 'newest' });
    else if (this.#start === 'head')
      await session.read(this.#feed, { from: 'position', position: this.#head });
    else await session.read(this.#feed, { from: 'since', since: this.#start });
  }

  async cursor(tell: (cursor: string) => void): Promise<void> {
    if (this.#feed && this.#session) tell(formatCursor(this.#session.sentUpTo(this.#feed)));
  }

  close(): void {
    if (this.#feed) this.#hub.release(this.#feed);
    this.#feed = undefined;
  }
}

/** Bases saved for one cursor, while too much moves for its text. */
const MAX_BASES = 3;

const BEGINNING: Position = { offset: 0, nonce: '' };

/** Positions that are kept on the server. */
interface Base {
  readonly handle: string;
  readonly positions: ReadonlyMap<RoomId, Position>;
}

/** Undefined when too much moved since then. */
function cursorFrom({ handle, positions }: Base, now: ReadonlyMap<RoomId, Position>): string | undefined {
  return formatUserCursor({ handle, moved: movedSince(positions, now) });
}

/** All direct rooms of a user, those made later too. */
export class UserReading implements Reading, UserReader {
  readonly #feeds: UserFeeds;
  readonly #cursors: CursorStore;
  readonly #user: UserId;
  readonly #since: UserCursor | undefined;
  readonly #notify: (event: UserEvent) => void;
  #feed: UserFeed | undefined;
  /** Where each room is to be read from, until the session starts. */
  #places = new Map<RoomFeed, Position>();
  #expired = false;
  #session: Session | undefined;
  #base: Base | undefined;

  constructor(
    sources: { feeds: UserFeeds; cursors: CursorStore },
    user: UserId,
    since: UserCursor | undefined,
    notify: (event: UserEvent) => void,
  ) {
    this.#feeds = sources.feeds;
    this.#cursors = sources.cursors;
    this.#user = user;
    this.#since = since;
    this.#notify = notify;
  }

  async prepare(): Promise<void> {
    const positions = await this.#positions();
    this.#feed = await this.#feeds.add(this.#user, this);
    for (const feed of this.#feed.feeds) {
      // A room that the cursor does not know was made since then: it is read from its start.
      const place = positions ? (positions.get(feed.id) ?? BEGINNING) : feed.head;
      if (!this.#places.has(feed)) this.#places.set(feed, place);
    }
  }

  async start(session: Session): Promise<void> {
    this.#session = session;
    if (this.#expired) session.reply(session.encoder.reset());
    const places = this.#places;
    this.#places = new Map();
    // Nearly all of them are quiet: a promise for each would be most of what a socket costs.
    const behind: Promise<void>[] = [];
    places.forEach((place, feed) => {
      const reading = this.#read(session, feed, place);
      if (reading) behind.push(reading);
    });
    await Promise.all(behind);
  }

  onFeed(feed: RoomFeed): void {
    if (this.#session) this.#read(this.#session, feed, BEGINNING);
    else this.#places.set(feed, BEGINNING);
  }

  onUserEvent(event: UserEvent): void {
    this.#notify(event);
  }

  async cursor(tell: (cursor: string) => void): Promise<void> {
    const session = this.#session;
    if (!session) return;
    for (let tries = 0; ; tries += 1) {
      const now = new Map([...session.feeds].map((feed) => [feed.id, session.sentUpTo(feed)]));
      const text = this.#base && cursorFrom(this.#base, now);
      if (text !== undefined) return tell(text);
      // While it is saved, more is sent: the text says what moved since. Where too much does each time, the client
      // is better told some of it twice than nothing.
      if (this.#base && tries === MAX_BASES) return tell(this.#base.handle);
      this.#base = { handle: await this.#cursors.save(now), positions: now };
    }
  }

  close(): void {
    if (this.#feed) this.#feeds.remove(this.#feed, this);
    this.#feed = undefined;
  }

  /** Where the reader was; undefined: it begins with what comes. */
  async #positions(): Promise<ReadonlyMap<RoomId, Position> | undefined> {
    if (!this.#since) return undefined;
    const { handle, moved } = this.#since;
    const base = await this.#cursors.load(handle);
    if (!base) {
      // Too old: the client is told to load its histories anew.
      this.#expired = true;
      return undefined;
    }
    this.#base = { handle, positions: base };
    return new Map([...base, ...moved]);
  }

  #read(session: Session, feed: RoomFeed, place: Position): Promise<void> | undefined {
    if (session.closed || session.feeds.has(feed)) return undefined;
    const { head } = feed;
    const unmoved = place.offset === head.offset && place.nonce === head.nonce;
    if (unmoved || !this.#since) return session.read(feed, { from: 'position', position: place });
    const since = { offset: place.offset, nonce: place.nonce === '' ? undefined : place.nonce };
    return session.read(feed, { from: 'since', since });
  }
}
