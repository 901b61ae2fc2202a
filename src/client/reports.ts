import { retryAfter } from './backoff.js';
import type { Receipt } from './types.js';

/** Reports that may wait at once; past it the oldest are given up: the messages stay unread. */
const MAX_REPORTS = 5_000;

interface Report {
  readonly receipt: Receipt;
  sent: boolean;
  covered: boolean;
  /** The service could not take it: it is said again later. */
  refused: boolean;
}

/** What a report's frame bears as `ref`, so that an error says which it is about. */
const REF = /^(\S+) (delivered|read)$/;

export function refOfReport({ message, status }: Receipt): string {
  return `${message} ${status}`;
}

/**
 * Receipts that this side reports, kept until it is known that the service has them. Their frames are not answered unless they
 * fail; but frames of a socket are taken in order, so that the answer to a later one covers them.
 */
export class Reports {
  readonly #waiting = new Map<string, Report>();
  readonly #onUnsent: () => void;
  readonly #random: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How often some were refused, one time after the other. */
  #refusals = 0;

  /** `onUnsent`: there are some to be sent again. */
  constructor(onUnsent: () => void, random: () => number) {
    this.#onUnsent = onUnsent;
    this.#random = random;
  }

  /** @returns whether it is new */
  add(receipt: Receipt): boolean {
    const key = refOfReport(receipt);
    if (this.#waiting.has(key)) return false;
    this.#waiting.set(key, { receipt, sent: false, covered: false, refused: false });
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
    for (const one of this.#waiting.values()) one.covered ||= one.sent && !one.refused;
  }

  answered(): void {
    for (const [key, one] of this.#waiting) if (one.covered) this.#waiting.delete(key);
    if (!this.#timer) this.#refusals = 0;
  }

  /**
   * The service could not take one, for now: it is to be sent again later. It may have seemed covered already, since a service
   * that waits until receipts are safe takes other frames meanwhile.
   * @returns whether `ref` is that of a report of `user`
   */
  refuse(ref: string | undefined, user: string): boolean {
    const [key, message, status] = REF.exec(ref ?? '') ?? [];
    if (key === undefined || message === undefined) return false;
    this.add({ message, status: status as Receipt['status'], by: user });
    Object.assign(this.#waiting.get(key) as Report, { sent: true, covered: false, refused: true });
    // All that are refused until then go together.
    this.#timer ??= setTimeout(() => this.#retry(), retryAfter(this.#refusals++, this.#random()));
    return true;
  }

  #retry(): void {
    this.#timer = undefined;
    for (const one of this.#waiting.values()) {
      if (one.refused) Object.assign(one, { sent: false, refused: false });
    }
    this.#onUnsent();
  }

  /** The socket is gone: whatever was not covered may not have arrived. */
  lost(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const one of this.#waiting.values())
      Object.assign(one, { sent: false, covered: false, refused: false });
  }
}
