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
    send.session.sent.push(nonce);
  }

  get(nonce: Nonce): PendingSend | undefined {
    return this.#sends.get(nonce);
  }

  delete(nonce: Nonce): void {
    const sent = this.#sends.get(nonce)?.session.sent;
    if (!sent) return;
    this.#sends.delete(nonce);
    // Nearly always the only one: a set would cost more than it saves. The last one takes its place.
    const at = sent.indexOf(nonce);
    const last = sent.pop() as Nonce;
    if (at < sent.length) sent[at] = last;
  }

  get size(): number {
    return this.#sends.size;
  }
}
