import { retryAfter } from './backoff.js';
import type { Receipt } from './types.js';

/** Reports that may wait at once; past it the oldest are given up: the messages stay unread. */
const MAX_REPORTS = 5_000;

interface Report {
  readonly receipt: Receipt;
  /** `covered`: something was asked since, whose answer covers it. `refused`: it is said again later. */
  state: 'unsent' | 'sent' | 'covered' | 'refused';
}

/** What a report's frame bears as `ref`, so that an answer says which it is about. */
export function refOfReport({ message, status }: Receipt): string {
  return `${message} ${status}`;
}

/**
 * Receipts that this side reports, kept until it is known that the service has them. Not every document answers them, but
 * frames of a socket are taken in order: the answer to a later one covers those that were not refused before it.
 */
export class Reports {
  readonly #waiting = new Map<string, Report>();
  readonly #onUnsent: () => void;
  readonly #random: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How often some were refused since one was taken. */
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
    this.#waiting.set(key, { receipt, state: 'unsent' });
    if (this.#waiting.size > MAX_REPORTS) this.#waiting.delete(this.#waiting.keys().next().value as string);
    return true;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** What is to be sent on the open socket now. */
  takeUnsent(): Receipt[] {
    return this.#change('unsent', 'sent').map(({ receipt }) => receipt);
  }

  /** A frame was sent that is going to be answered: the answer covers what was sent before. */
  asked(): void {
    this.#change('sent', 'covered');
  }

  answered(): void {
    for (const [key, { state }] of this.#waiting) if (state === 'covered') this.taken(key);
  }

  /** The service has it. */
  taken(ref: string): void {
    if (this.#waiting.delete(ref)) this.#refusals = 0;
  }

  /** The service could not take one, for now: it is sent again later. @returns whether `ref` is that of a report */
  refuse(ref: string | undefined): boolean {
    const one = this.#waiting.get(ref ?? '');
    if (!one) return false;
    one.state = 'refused';
    // All that are refused until then go together.
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#retry(), retryAfter(this.#refusals, this.#random()));
      this.#refusals += 1;
    }
    return true;
  }

  /** The socket is gone: whatever was not covered may not have arrived. */
  lost(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const one of this.#waiting.values()) one.state = 'unsent';
  }

  #retry(): void {
    this.#timer = undefined;
    this.#change('refused', 'unsent');
    this.#onUnsent();
  }

  #change(from: Report['state'], to: Report['state']): Report[] {
    const those = [...this.#waiting.values()].filter(({ state }) => state === from);
    for (const one of those) one.state = to;
    return those;
  }
}
