/** Frames a second and at once, under what a node lets pass (50 and 100): a burst after a reconnect must not be refused. */
const RATE = 40;
const BURST = 60;
const TICK_MS = 50;

/**
 * Lets frames out one after the other and not too many at a time. What waits is bounded by who queues: each frame belongs
 * to something that is kept elsewhere, and is queued again after a reconnect.
 */
export class Pacer {
  readonly #send: (text: string) => boolean;
  #queue: string[] = [];
  #allowance = BURST;
  #countedAt = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `send` says whether the frame was taken; from the first that was not, all are forgotten. */
  constructor(send: (text: string) => boolean) {
    this.#send = send;
  }

  push(text: string): void {
    this.#queue.push(text);
    this.#flush();
  }

  clear(): void {
    this.#queue = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #flush(): void {
    // Not the time of day, which may be set back.
    const now = performance.now();
    this.#allowance = Math.min(BURST, this.#allowance + ((now - this.#countedAt) / 1_000) * RATE);
    this.#countedAt = now;
    while (this.#allowance >= 1 && this.#queue.length > 0) {
      this.#allowance -= 1;
      if (!this.#send(this.#queue.shift() as string)) this.clear();
    }
    if (this.#queue.length === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, TICK_MS);
  }
}
