/** How long after its turn a place may still be used, in ms: what comes at once is let in at once, but no more than that. */
const BURST_MS = 100;

/**
 * Lets so much through in a second, one after the other at even distances; what would have to wait too long is refused.
 * What waits is bounded by that: at most `perSecond` times `maxWaitMs`.
 */
export class Pace {
  readonly #stepMs: number;
  readonly #maxWaitMs: number;
  /** When the next one may go (monotonic ms). */
  #next = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, maxWaitMs: number) {
    this.#stepMs = 1_000 / perSecond;
    this.#maxWaitMs = maxWaitMs;
  }

  /** How long the one that comes at `now` (monotonic ms) has to wait for its turn, in ms; undefined: it is refused. */
  take(now: number): number | undefined {
    const turn = Math.max(this.#next, now - BURST_MS);
    if (turn - now > this.#maxWaitMs) return undefined;
    this.#next = turn + this.#stepMs;
    return Math.max(0, turn - now);
  }
}
