import type { Receipt } from './types.js';

/** Reports that may wait at once; past it the oldest are given up: the messages stay unread. */
const MAX_REPORTS = 5_000;

/**
 * Receipts that this side reports, kept until it is known that the service has them. Their frames are not answered; but
 * frames of a socket are taken in order, so that the answer to a later one covers them.
 */
export class Reports {
  readonly #waiting = new Map<string, { receipt: Receipt; sent: boolean; covered: boolean }>();

  /** @returns whether it is new */
  add(receipt: Receipt): boolean {
    const key = `${receipt.message} ${receipt.status}`;
    if (this.#waiting.has(key)) return false;
    this.#waiting.set(key, { receipt, sent: false, covered: false });
    if (this.#waiting.size > MAX_REPORTS) this.#waiting.delete(this.#waiting.keys().next().value as string);
    return true;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** What is to be sent on the open socket now. */
  takeUnsent(): Receipt[] {
    const unsent = [...this.#waiting.values()].filter(({ sent }) => !sent);
    for (const one of unsent) one.sent = true;
    return unsent.map(({ receipt }) => receipt);
  }

  /** A frame was sent that is going to be answered: the answer covers what was sent before. */
  asked(): void {
    for (const one of this.#waiting.values()) one.covered ||= one.sent;
  }

  answered(): void {
    for (const [key, one] of this.#waiting) if (one.covered) this.#waiting.delete(key);
  }

  /** The socket is gone: whatever was not covered may not have arrived. */
  lost(): void {
    for (const one of this.#waiting.values()) {
      one.sent = false;
      one.covered = false;
    }
  }
}
