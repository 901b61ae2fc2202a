import type { MessageId } from '../../core/ids.js';
import type { ReceiptStatus } from '../../core/model.js';
import { MAX_OWED, type Owed } from '../../core/ports.js';
import { receiptFrame } from './encode.js';

/** How often one connection repeats a receipt at most. */
const MAX_REPEATS = 5;

interface Waiting {
  readonly frame: string;
  readonly dueAt: number;
  readonly left: number;
}

/**
 * The receipts that one socket repeats until its front end confirms them. One timer at the most, and only while
 * something waits.
 */
export class Repeats {
  readonly #send: (frame: string) => void;
  readonly #everyMs: number;
  /** In the order in which they are due: every wait is equally long. */
  readonly #waiting = new Map<string, Waiting>();
  /** What was confirmed before the list of what is owed came in; undefined from then on. */
  #confirmedEarly: Set<string> | undefined = new Set();
  #timer: NodeJS.Timeout | undefined;

  /** `everyMs`: 0 for never. */
  constructor(send: (frame: string) => void, everyMs: number) {
    this.#send = send;
    this.#everyMs = everyMs;
  }

  /** The socket is live: everything that is still owed is said once, and repeated from now on. */
  open(owed: readonly Owed[]): void {
    for (const one of owed) {
      if (this.#confirmedEarly?.has(keyOf(one.messageId, one.status))) continue;
      this.#send(receiptFrame(one));
      this.add(one);
    }
    this.#confirmedEarly = undefined;
  }

  /** A receipt that the socket is told now, by whoever: it is repeated from now on. */
  add(owed: Owed): void {
    if (this.#everyMs === 0) return;
    const key = keyOf(owed.messageId, owed.status);
    this.#wait(key, { frame: receiptFrame(owed), left: MAX_REPEATS });
    // Whoever gets more than that unconfirmed does not confirm: what is kept is bounded, as it is in the store.
    if (this.#waiting.size > MAX_OWED) this.#waiting.delete(this.#waiting.keys().next().value as string);
    this.#arm();
  }

  /** A front end has confirmed a receipt. */
  confirm(messageId: MessageId, status: ReceiptStatus): void {
    const key = keyOf(messageId, status);
    this.#confirmedEarly?.add(key);
    this.#waiting.delete(key);
    if (this.#waiting.size === 0) this.close();
  }

  /** Nothing is repeated any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #wait(key: string, { frame, left }: Pick<Waiting, 'frame' | 'left'>): void {
    this.#waiting.delete(key);
    this.#waiting.set(key, { frame, left, dueAt: performance.now() + this.#everyMs });
  }

  #arm(): void {
    const [first] = this.#waiting.values();
    if (!first || this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#repeat();
        this.#arm();
      },
      Math.max(1, first.dueAt - performance.now()),
    );
  }

  #repeat(): void {
    const now = performance.now();
    for (const [key, { frame, dueAt, left }] of this.#waiting) {
      if (dueAt > now) return;
      this.#send(frame);
      if (left > 1) this.#wait(key, { frame, left: left - 1 });
      else this.#waiting.delete(key);
    }
  }
}

function keyOf(messageId: MessageId, status: ReceiptStatus): string {
  return `${messageId}:${status}`;
}
