/** What a socket may send: `rate` frames a second, `burst` at once. */
export interface FrameRate {
  readonly rate: number;
  readonly burst: number;
}

export type Toll = 'pass' | 'refuse' | 'close';

/** A token bucket for the frames of one socket, and the memory of how often it was empty. */
export class FrameBucket {
  readonly #limit: FrameRate;
  #tokens: number;
  #refused = 0;
  #at: number;

  constructor(limit: FrameRate, now: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /**
   * What becomes of a frame that comes at `now` (monotonic ms): it passes; it is refused; or the socket has gone on
   * too long and is closed: two bursts refused without a pause that filled the bucket again.
   */
  take(now: number): Toll {
    const { rate, burst } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1_000) * rate);
    this.#at = now;
    if (this.#tokens >= burst) this.#refused = 0;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 'pass';
    }
    this.#refused += 1;
    return this.#refused > 2 * burst ? 'close' : 'refuse';
  }
}
