import { type Draft, type Message, RefusedError } from './types.js';

/** Sends that may wait for their acknowledgement at once. */
export const MAX_PENDING = 200;

/** A send that is not acknowledged yet. */
export interface Pending {
  readonly ref: string;
  readonly draft: Draft;
  /** The finished frame. */
  readonly text: string;
  /** How often the service has said that it may pass. */
  refusals: number;
  readonly promise: Promise<Message>;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

/** What was sent and is not acknowledged, in the order of sending. A bounded number of them. */
export class Outbox {
  readonly #pending = new Map<string, Pending>();

  get size(): number {
    return this.#pending.size;
  }

  /** @throws RefusedError when too many wait already */
  add(ref: string, draft: Draft, text: string): Pending {
    const same = this.#pending.get(ref);
    if (same) return same;
    if (this.#pending.size >= MAX_PENDING) throw new RefusedError('too many messages wait to be sent');
    let resolve: Pending['resolve'] = () => undefined;
    let reject: Pending['reject'] = () => undefined;
    const promise = new Promise<Message>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const pending = { ref, draft, text, refusals: 0, promise, resolve, reject };
    this.#pending.set(ref, pending);
    return pending;
  }

  find(ref: string | undefined): Pending | undefined {
    return ref === undefined ? undefined : this.#pending.get(ref);
  }

  all(): Pending[] {
    return [...this.#pending.values()];
  }

  acknowledge(pending: Pending, message: Message): void {
    if (this.#pending.delete(pending.ref)) pending.resolve(message);
  }

  refuse(pending: Pending, error: Error): void {
    if (this.#pending.delete(pending.ref)) pending.reject(error);
  }

  /** The service found a frame too big: the largest that it may have been will not be sent again. */
  refuseLargest(): void {
    const [largest] = this.all().sort((a, b) => b.text.length - a.text.length);
    if (largest) this.refuse(largest, new RefusedError('the message is too long', 413));
  }

  /** Nothing is going to be acknowledged any more. */
  refuseAll(error: Error): void {
    for (const pending of this.all()) this.refuse(pending, error);
  }
}
