import type { Nonce, Position } from './model.js';

/**
 * What an event means to a reader at `head`. This comparison is the whole no-gap argument:
 * - `next`: continues exactly what was read; deliver it.
 * - `known`: was read already; drop it.
 * - `gap`: something in between was missed; read the log.
 * - `fork`: it does not fit what was read (a fail-over lost entries and reuses their offsets, or it
 *   is older than memory reaches); ask the log.
 *
 * `nonceAt` answers the nonce this reader remembers at an offset, undefined past its memory.
 */
export type Verdict = 'next' | 'known' | 'gap' | 'fork';

export function classify(
  head: Position,
  event: { offset: number; nonce: Nonce; prev: Nonce },
  nonceAt: (offset: number) => Nonce | undefined,
): Verdict {
  if (event.offset === head.offset + 1) return event.prev === head.nonce ? 'next' : 'fork';
  if (event.offset > head.offset + 1) return 'gap';
  return nonceAt(event.offset) === event.nonce ? 'known' : 'fork';
}

/**
 * The newest offset at which memory and log agree, so that reading can go on from there; undefined
 * when they agree nowhere. `entries` are the log's, in any order.
 */
export function newestCommon(
  entries: readonly Position[],
  nonceAt: (offset: number) => Nonce | undefined,
): Position | undefined {
  let best: Position | undefined;
  for (const entry of entries) {
    if (nonceAt(entry.offset) !== entry.nonce) continue;
    if (!best || entry.offset > best.offset) best = { offset: entry.offset, nonce: entry.nonce };
  }
  return best;
}

/** How many nonces a reader remembers: how deep a fork can be healed without starting over. */
export const REMEMBERED_NONCES = 256;

/** The nonces of the newest entries read, by offset. Bounded by {@link REMEMBERED_NONCES}. */
export class NonceMemory {
  #first = 0;
  #nonces: Nonce[] = [];

  /** What a reader at `head` remembers that has read nothing since. */
  static from(head: Position): NonceMemory {
    const memory = new NonceMemory();
    if (head.offset > 0) memory.push(head.offset, head.nonce);
    return memory;
  }

  /** Remembers that `offset` holds `nonce`. An offset that does not follow the newest one starts memory anew. */
  push(offset: number, nonce: Nonce): void {
    if (offset !== this.#first + this.#nonces.length || this.#nonces.length === 0) {
      this.#first = offset;
      this.#nonces = [nonce];
      return;
    }
    this.#nonces.push(nonce);
    // Trim in blocks: shifting at every message would move the whole array every time.
    if (this.#nonces.length >= REMEMBERED_NONCES * 2) {
      this.#first += REMEMBERED_NONCES;
      this.#nonces = this.#nonces.slice(REMEMBERED_NONCES);
    }
  }

  at(offset: number): Nonce | undefined {
    return this.#nonces[offset - this.#first];
  }

  /** The oldest offset remembered. */
  get first(): number {
    return this.#first;
  }

  /** Forgets everything above `offset`: those entries are gone from the log. */
  cutAbove(offset: number): void {
    this.#nonces.length = Math.max(0, Math.min(this.#nonces.length, offset - this.#first + 1));
  }
}
