import type { Nonce, Position } from '../core/model.js';
import type { Reader } from './reader.js';

/**
 * What a fail-over took from the log after it was handed out, and whom it was handed to. Its node stores it again when it
 * was not acknowledged: in the same place it is the same message, with the same id, and no news to them.
 */
export class Undone {
  readonly #nonces = new Map<number, Nonce>();
  readonly #shown: WeakSet<Reader>;
  readonly #last: number;

  /** Everything above `to`, up to `from`; `readers` were shown all of it. */
  constructor(
    from: Position,
    to: Position,
    nonceAt: (offset: number) => Nonce | undefined,
    readers: readonly Reader[],
  ) {
    for (let offset = to.offset + 1; offset <= from.offset; offset += 1) {
      const nonce = nonceAt(offset);
      if (nonce !== undefined) this.#nonces.set(offset, nonce);
    }
    this.#shown = new WeakSet(readers);
    this.#last = from.offset;
  }

  /** Who was shown this message before; undefined: nobody. */
  shownTo({ offset, nonce }: Position): WeakSet<Reader> | undefined {
    return this.#nonces.get(offset) === nonce ? this.#shown : undefined;
  }

  /** Whether there is nothing in it past `offset`. */
  endsAt(offset: number): boolean {
    return offset >= this.#last;
  }
}
