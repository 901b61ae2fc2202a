import type { RoomId, UserId } from '../core/ids.js';
import type { Room, RoomKind, UserEvent } from '../core/model.js';
import type { FanOut, RoomStore } from '../core/ports.js';
import type { RoomFeed } from './feed.js';
import type { Hub } from './hub.js';

/** How often room lists are compared with what is read: finds a lost announcement of a new room. */
const VERSION_CHECK_MS = 2_000;
const RETRY_MS = 500;
/** Rooms of one user that are read at most; more than that is no person. */
const MAX_ROOMS = 10_000;
/** Rooms opened together: few round trips, and little that is held meanwhile. */
const ROOMS_AT_ONCE = 250;
/** Rooms that appear on user-level sockets: those that are addressed by the other person. */
const KINDS: readonly RoomKind[] = ['direct'];

/** A socket that reads all rooms of its user. */
export interface UserReader {
  /** The feed of a room that is new since this reader was added: to be read from its start. */
  onFeed(feed: RoomFeed): void;
  onUserEvent(event: UserEvent): void;
}

/** All rooms of one user with local sockets. */
export class UserFeed {
  readonly user: UserId;
  readonly readers = new Set<UserReader>();
  feeds: RoomFeed[] = [];
  /** Rooms of the user that do not appear here. */
  readonly others = new Set<RoomId>();
  version = -1;
  /** Settles when the feeds are open for the first time. */
  opening: Promise<void> = Promise.resolve();
  /** Rooms are looked up one call after the other: two at once would open a room twice. */
  following: Promise<void> = Promise.resolve();

  constructor(user: UserId) {
    this.user = user;
  }
}

/** The users whose rooms are read here, and how a new room reaches them. */
export class UserFeeds {
  readonly #hub: Hub;
  readonly #fanOut: FanOut;
  readonly #rooms: RoomStore;
  readonly #users = new Map<UserId, UserFeed>();
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(hub: Hub, fanOut: FanOut, rooms: RoomStore) {
    this.#hub = hub;
    this.#fanOut = fanOut;
    this.#rooms = rooms;
  }

  start(): void {
    const check = () => {
      void this.#checkVersions().finally(() => {
        if (!this.#closed) this.#timer = setTimeout(check, VERSION_CHECK_MS);
      });
    };
    this.#timer = setTimeout(check, VERSION_CHECK_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /**
   * Adds a reader. When it resolves, the feeds of all rooms of the user are open; later ones come through `onFeed`.
   * @throws ChatError unavailable; the reader is not added then
   */
  async add(user: UserId, reader: UserReader): Promise<UserFeed> {
    let feed = this.#users.get(user);
    if (!feed) {
      feed = new UserFeed(user);
      this.#users.set(user, feed);
      feed.opening = this.#open(feed);
    }
    feed.readers.add(reader);
    try {
      await feed.opening;
    } catch (error) {
      this.remove(feed, reader);
      throw error;
    }
    return feed;
  }

  remove(feed: UserFeed, reader: UserReader): void {
    feed.readers.delete(reader);
    if (feed.readers.size > 0 || this.#users.get(feed.user) !== feed) return;
    this.#users.delete(feed.user);
    this.#fanOut.unsubscribeUser(feed.user);
    void feed.following.finally(() => {
      for (const each of feed.feeds) this.#hub.release(each);
      feed.feeds = [];
    });
  }

  onUserEvent(user: UserId, event: UserEvent): void {
    const feed = this.#users.get(user);
    if (!feed) return;
    if (event.kind === 'room') {
      // The number may have been that of another room.
      feed.others.delete(event.room);
      this.#follow(feed);
    }
    for (const reader of feed.readers) reader.onUserEvent(event);
  }

  /** Announcements to these users may be lost. */
  onSubscribed(users: readonly UserId[]): void {
    for (const user of users) {
      const feed = this.#users.get(user);
      if (feed) this.#follow(feed);
    }
  }

  /** Rooms are gone. Their numbers may be those of new ones: whoever was in one may be in that, too. */
  onLost(rooms: readonly Room[]): void {
    const users = new Set(rooms.flatMap(({ participants }) => participants));
    const lost = new Set(rooms.map(({ id }) => id));
    for (const feed of this.#users.values()) {
      const others = [...feed.others].filter((id) => lost.has(id));
      for (const id of others) feed.others.delete(id);
      if (others.length > 0 || users.has(feed.user)) this.#follow(feed);
    }
  }

  // Told of new rooms first, then the list is read: no room can be missed in between.
  async #open(feed: UserFeed): Promise<void> {
    await this.#fanOut.subscribeUser(feed.user);
    await this.#openNew(feed, false);
  }

  #follow(feed: UserFeed): void {
    feed.following = feed.following
      .then(() => feed.opening)
      .then(() => this.#openNew(feed, true))
      .catch((error: unknown) => {
        this.#hub.reportFault(error);
        if (this.#closed || this.#users.get(feed.user) !== feed) return;
        setTimeout(() => this.#follow(feed), RETRY_MS).unref();
      });
  }

  async #openNew(feed: UserFeed, fresh: boolean): Promise<void> {
    const [version = 0] = await this.#rooms.versions([feed.user]);
    const ids = await this.#rooms.listOf(feed.user, MAX_ROOMS);
    for (const each of feed.feeds) if (each.closed) this.#hub.release(each);
    feed.feeds = feed.feeds.filter(({ closed }) => !closed);
    const known = new Set(feed.feeds.map(({ id }) => id));
    const unread = ids.filter((id) => !known.has(id) && !feed.others.has(id));
    for (let i = 0; i < unread.length; i += ROOMS_AT_ONCE)
      await this.#openSome(feed, unread.slice(i, i + ROOMS_AT_ONCE), fresh);
    feed.version = version;
  }

  async #openSome(feed: UserFeed, ids: readonly RoomId[], fresh: boolean): Promise<void> {
    for (const opened of await this.#hub.open(ids)) {
      // A list may name a room that a fail-over lost, and whose number is somebody else's now.
      const shown = KINDS.includes(opened.room.kind) && opened.room.participants.includes(feed.user);
      if (!shown) feed.others.add(opened.id);
      if (!shown || this.#users.get(feed.user) !== feed) {
        this.#hub.release(opened);
        continue;
      }
      feed.feeds.push(opened);
      if (fresh) for (const reader of feed.readers) reader.onFeed(opened);
    }
  }

  async #checkVersions(): Promise<void> {
    const feeds = [...this.#users.values()].filter((feed) => feed.version >= 0);
    if (feeds.length === 0) return;
    try {
      const versions = await this.#rooms.versions(feeds.map((feed) => feed.user));
      feeds.forEach((feed, i) => {
        if (versions[i] !== undefined && versions[i] !== feed.version) this.#follow(feed);
      });
    } catch (error) {
      this.#hub.reportFault(error);
      // Redis is away; the next round looks again.
    }
  }
}
