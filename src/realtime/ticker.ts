/**
 * Work that is worth doing once per turn of the event loop: feeds render the events of a turn
 * together, and then every socket that got something is written to once.
 */
export class Ticker {
  #feeds: Flushable[] = [];
  #outboxes: Flushable[] = [];
  #scheduled = false;

  /** Flushes `feed` at the end of this turn, before all outboxes. Once per call: the caller remembers. */
  feed(feed: Flushable): void {
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
    setImmediate(() => this.#run());
  }

  #run(): void {
    const feeds = this.#feeds;
    this.#feeds = [];
    for (const feed of feeds) feed.flush();
    this.#scheduled = false;
    const outboxes = this.#outboxes;
    this.#outboxes = [];
    for (const outbox of outboxes) outbox.flush();
  }
}

export interface Flushable {
  /** Never throws. */
  flush(): void;
}
