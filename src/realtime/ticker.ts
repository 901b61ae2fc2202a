/** Sockets written to in one run that make the next one wait, where rooms had several messages each. */
const BUSY_OUTBOXES = 100;
/** How long it waits then, in ms: far below what a person notices, and long enough for a room's messages to meet. */
const BUSY_PAUSE_MS = 2;

/**
 * Work that is worth doing once per turn of the event loop: feeds render the events of a turn
 * together, and then every socket that got something is written to once. A system call for each write is what
 * delivery costs most, so a busy node takes a little more time and hands out more at once.
 */
export class Ticker {
  #feeds: FlushableFeed[] = [];
  #outboxes: Flushable[] = [];
  #scheduled = false;
  #busy = false;

  /** Flushes `feed` at the end of this turn, before all outboxes. Once per call: the caller remembers. */
  feed(feed: FlushableFeed): void {
    this.#feeds.push(feed);
    this.#schedule();
  }

  /** Flushes `outbox` at the end of this turn, after all feeds. */
  outbox(outbox: Flushable): void {
    this.#outboxes.push(outbox);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (this.#busy) setTimeout(this.#run, BUSY_PAUSE_MS);
    else setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const feeds = this.#feeds;
    this.#feeds = [];
    let messages = 0;
    for (const feed of feeds) messages += feed.flush();
    this.#scheduled = false;
    const outboxes = this.#outboxes;
    this.#outboxes = [];
    // Rooms that say one thing at a time gain nothing by waiting.
    this.#busy = outboxes.length >= BUSY_OUTBOXES && messages >= 2 * feeds.length;
    for (const outbox of outboxes) outbox.flush();
  };
}

export interface Flushable {
  /** Never throws. */
  flush(): void;
}

export interface FlushableFeed {
  /** Hands out what came in this turn, and answers how many messages and events that were. Never throws. */
  flush(): number;
}
