import type { Message, Room } from '../core/model.js';
import type { Log } from '../core/ports.js';
import type { Encoder } from '../core/rendering.js';
import { textFrame } from './frame.js';
import type { Feed } from './reader.js';
import type { RealtimeStats } from './stats.js';
import type { Tail } from './tail.js';

/** Reads of the log for readers: from memory where possible, and one for all who want the same at once. */
export class SharedReads {
  readonly #log: Log;
  readonly #stats: RealtimeStats;
  /** By tail, so that nobody joins a read that began before the log turned out to have another history. */
  readonly #underWay = new WeakMap<Tail, Map<string, Promise<unknown>>>();
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
    return this.#once(feed, `>${after}/${count}`, async () => {
      const messages = await this.#log.readAfter(feed.id, after, count);
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
    const { tail } = feed;
    const kept = tail.newest(count);
    if (kept) return kept;
    const head = feed.head.offset;
    if (head === 0 || count === 0) return [];
    const messages = await this.#once(feed, `<${head}/${count}`, () =>
      this.#log.readBefore(feed.id, head, count),
    );
    const last = messages.at(-1);
    if (last?.offset === feed.head.offset && last.nonce === feed.head.nonce) {
      tail.fill(messages, messages.length < count ? 0 : (messages[0] as Message).offset - 1);
    }
    return messages;
  }

  async one(feed: Feed, offset: number): Promise<Message | undefined> {
    return this.#once(feed, `=${offset}`, () => this.#log.readOne(feed.id, offset));
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

  #once<T>({ tail }: Feed, key: string, read: () => Promise<T>): Promise<T> {
    const reads = this.#underWay.get(tail) ?? new Map<string, Promise<unknown>>();
    const underWay = reads.get(key);
    if (underWay) return underWay as Promise<T>;
    this.#stats.logReads += 1;
    const promise = read().finally(() => {
      reads.delete(key);
      if (reads.size === 0) this.#underWay.delete(tail);
    });
    this.#underWay.set(tail, reads.set(key, promise));
    return promise;
  }
}
