import type { Nonce } from '../core/model.js';
import type { Ref } from '../core/rendering.js';
import type { Reader } from './reader.js';

/** A send of a local socket whose message has not reached that socket yet. */
export interface PendingSend {
  readonly session: Reader;
  readonly ref: Ref | undefined;
  /** While the append is not confirmed and must not be acknowledged: settles, never rejects, when it is decided. */
  undecided: Promise<void> | undefined;
  /** Where it was stored, once that is known. */
  storedAt: number | undefined;
}

/**
 * Which socket sent the message with a nonce: it gets the acknowledging form of the frame, whether the
 * message reaches it live or from the log. An entry lives until then, or until its socket closes.
 */
export class PendingSends {
  readonly #sends = new Map<Nonce, PendingSend>();

  add(nonce: Nonce, send: PendingSend): void {
    this.#sends.set(nonce, send);
    send.session.sent.add(nonce);
  }

  get(nonce: Nonce): PendingSend | undefined {
    return this.#sends.get(nonce);
  }

  delete(nonce: Nonce): void {
    this.#sends.get(nonce)?.session.sent.delete(nonce);
    this.#sends.delete(nonce);
  }

  get size(): number {
    return this.#sends.size;
  }
}
