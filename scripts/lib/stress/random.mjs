/** Random numbers that come the same way again from the same seed (mulberry32, by Tommy Ettinger; public domain). */
export class Random {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    z = (z + Math.imul(z ^ (z >>> 7), z | 61)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number from `from` up to, not including, `to`. @param {number} from @param {number} to */
  between(from, to) {
    return from + Math.floor(this.next() * (to - from));
  }

  /**
   * @template T
   * @param {readonly T[]} items not empty
   * @returns {T}
   */
  pick(items) {
    return /** @type {T} */ (items[this.between(0, items.length)]);
  }

  /** A source of its own, so that what one part draws does not shift what another does. */
  fork() {
    return new Random(this.between(0, 0xffff_ffff));
  }
}
