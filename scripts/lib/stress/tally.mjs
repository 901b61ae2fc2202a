/** What a run counts while it runs. */

const GROWTH = Math.log(1.04);

/** Times in ms, in buckets 4 % apart: exact enough for a percentile, and bounded. */
export class Times {
  /** @type {number[]} */
  #buckets = [];
  count = 0;

  /** @param {number} ms */
  add(ms) {
    const at = Math.max(0, Math.ceil(Math.log(Math.max(ms, 0.01) / 0.01) / GROWTH));
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.count += 1;
  }

  /** @param {number} part 0.99 for p99 @returns {number | null} */
  percentile(part) {
    let left = part * this.count;
    for (const [at, count] of this.#buckets.entries()) {
      left -= count ?? 0;
      if (count && left <= 0) return Number((0.01 * Math.exp(at * GROWTH)).toPrecision(3));
    }
    return null;
  }

  /** How many were in each power of two, from the fastest to the slowest. @returns {{ upToMs: number, count: number }[]} */
  histogram() {
    /** @type {Map<number, number>} */
    const bars = new Map();
    for (const [at, count] of this.#buckets.entries()) {
      const power = Math.max(0, Math.ceil(Math.log2(0.01 * Math.exp(at * GROWTH))));
      if (count) bars.set(power, (bars.get(power) ?? 0) + count);
    }
    return [...bars].map(([power, count]) => ({ upToMs: 2 ** power, count }));
  }
}

/** How many of each. @extends {Map<string, number>} */
export class Counts extends Map {
  /** @param {string | number} what @param {number} [by] */
  add(what, by = 1) {
    this.set(String(what), (this.get(String(what)) ?? 0) + by);
  }

  get sum() {
    return [...this.values()].reduce((sum, n) => sum + n, 0);
  }
}

/** A delivery later than this is one that a person notices. */
export const LATE_MS = 1_000;

export class Tally {
  /** Message frames that readers took. */
  received = 0;
  /** From the first attempt to send to each reader's frame. */
  delivery = new Times();
  /** The same for messages sent while no fault was being healed. */
  calm = new Times();
  /** From the close of an open socket until it was open again. */
  away = new Times();
  /** When something was delivered late: the newest such moment since each fault. @type {{ at: number, lateAt: number }[]} */
  late = [];
  errors = new Counts();
  closes = new Counts();
  refusals = new Counts();
  /** Sends on an open socket that nothing answered in time. */
  silent = 0;
  /** Whether a fault is being healed right now. */
  disturbed = false;

  /** @param {import('./ledger.mjs').Entry} entry @param {number} now */
  delivered(entry, now) {
    const ms = now - entry.firstAt;
    this.delivery.add(ms);
    if (!entry.disturbed && !this.disturbed) this.calm.add(ms);
    const last = this.late.at(-1);
    if (ms > LATE_MS && last) last.lateAt = now;
  }
}
