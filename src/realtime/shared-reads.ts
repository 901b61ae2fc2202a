import type { Message, Room } from '../core/model.js';
import type { Log } from '../core/ports.js';
import type { Encoder } from '../core/rendering.js';
import { textFrame } from './frame.js';
import type { Feed } from './reader.js';
import type { RealtimeStats } from './stats.js';

/** Reads of the log for readers: from memory where possible, and one for all who want the same at once. */
export class SharedReads {
  readonly #log: Log;
  readonly #stats: RealtimeStats;
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** The newest page frame made for a feed: a crowd that joins a room gets the same one. */
  readonly #frames = new WeakMap<Feed, { key: string; frame: Buffer }>();

  constructor(log: Log, stats: RealtimeStats) {
    this.#log = log;
    this.#stats = stats;
  }

  /** Up to `count` messages above `after`, oldest first. */
  async after(feed: Feed, after: number, count: number): Promise<Message[]> {
    const { tail } = feed;
    const kept = tail.readAfter(after, count);
    if (kept) return kept;
    const room = feed.room.id;
    return this.#once(`${room}>${after}/${count}`, async () => {
      const messages = await this.#log.readAfter(room, after, count);
      const last = messages.at(-1);
      // Up to the head: whoever was as far behind, or less, is served from memory from now on.
      const { head } = feed;
      if (feed.tail === tail && last?.offset === head.offset && last.nonce === head.nonce) {
        tail.fill(messages, after);
      }
      return messages;
    });
  }

  /** The newest `count` messages up to the feed's head, oldest first. */
  async newest(feed: Feed, count: number): Promise<Message[]> {
    const kept = feed.tail.newest(count);
    if (kept) return kept;
    const head = feed.head.offset;
    if (head === 0 || count === 0) return [];
    const room = feed.room.id;
    const messages = await this.#once(`${room}<${head}/${count}`, () =>
      this.#log.readBefore(room, head, count),
    );
    if (feed.head.offset === head) {
      feed.tail.fill(messages, messages.length < count ? 0 : (messages[0] as Message).offset - 1);
    }
    return messages;
  }

  async one(feed: Feed, offset: number): Promise<Message | undefined> {
    const room = feed.room.id;
    return this.#once(`${room}=${offset}`, () => this.#log.readOne(room, offset));
  }

  /** The frame of a page, made once for all who get the same page of a feed in a row. */
  pageFrame(
    feed: Feed,
    encoder: Encoder,
    page: readonly Message[],
    encode: (messages: readonly Message[], room: Room) => string,
  ): Buffer {
    const key = `${encoder.dialect} ${page.length} ${page[0]?.nonce} ${page.at(-1)?.nonce}`;
    const kept = this.#frames.get(feed);
    if (kept?.key === key) return kept.frame;
    const frame = textFrame(encode(page, feed.room));
    this.#frames.set(feed, { key, frame });
    return frame;
  }

  #once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay as Promise<T>;
    this.#stats.logReads += 1;
    const promise = read().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, promise);
    return promise;
  }
}
