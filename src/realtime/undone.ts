import type { Nonce, Position } from '../core/model.js';
import type { Feed, Reader } from './reader.js';

/**
 * What a fail-over took from the log after it was handed out, and how much of it each reader was shown. Its node stores it
 * again when it was not acknowledged: in the same place it is the same message, with the same id, and no news to them.
 */
export class Undone {
  readonly #nonces = new Map<number, Nonce>();
  /** By reader, who is not held in memory for it. */
  readonly #shownUpTo = new WeakMap<Reader, number>();
  readonly #last: number;
  /** What an earlier fail-over took, as far as it was not stored again before this one. */
  readonly #earlier: Undone | undefined;

  /** Everything of `feed` above `to`; `readers` are all it has, live or behind, and still where they were. */
  constructor(feed: Feed, to: Position, readers: Iterable<Reader>, earlier: Undone | undefined) {
    this.#last = feed.head.offset;
    for (let offset = to.offset + 1; offset <= this.#last; offset += 1) {
      const nonce = feed.nonceAt(offset);
      if (nonce !== undefined) this.#nonces.set(offset, nonce);
    }
    for (const reader of readers) this.#shownUpTo.set(reader, (reader.positionIn(feed) ?? feed.head).offset);
    this.#earlier = earlier?.endsAt(to.offset) ? undefined : earlier;
  }

  /** Whether somebody may have been shown this message before. */
  has({ offset, nonce }: Position): boolean {
    return this.#nonces.get(offset) === nonce || (this.#earlier?.has({ offset, nonce }) ?? false);
  }

  /** Whether this message is what `reader` was shown last in its place. */
  wasShown(reader: Reader, { offset, nonce }: Position): boolean {
    const shown = (this.#shownUpTo.get(reader) ?? 0) >= offset ? this.#nonces.get(offset) : undefined;
    return shown === undefined
      ? (this.#earlier?.wasShown(reader, { offset, nonce }) ?? false)
      : shown === nonce;
  }

  /** The reader starts over: it is to be shown everything. */
  forget(reader: Reader): void {
    this.#shownUpTo.delete(reader);
    this.#earlier?.forget(reader);
  }

  /** Whether there is nothing in it past `offset`. */
  endsAt(offset: number): boolean {
    return offset >= this.#last && (this.#earlier?.endsAt(offset) ?? true);
  }
}
