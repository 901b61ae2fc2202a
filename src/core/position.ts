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
  /** What a quiet log needs: one nonce, and no array. */
  #only: Nonce | undefined;
  #nonces: Nonce[] | undefined;

  /** Remembers that `offset` holds `nonce`. An offset that does not follow the newest one starts memory anew. */
  push(offset: number, nonce: Nonce): void {
    if (offset !== this.#first + this.#size || this.#size === 0) {
      this.#first = offset;
      this.#only = nonce;
      this.#nonces = undefined;
      return;
    }
    this.#nonces ??= [this.#only as Nonce];
    this.#nonces.push(nonce);
    // Trim in blocks: shifting at every message would move the whole array every time.
    if (this.#nonces.length >= REMEMBERED_NONCES * 2) {
      this.#first += REMEMBERED_NONCES;
      this.#nonces = this.#nonces.slice(REMEMBERED_NONCES);
    }
  }

  at(offset: number): Nonce | undefined {
    if (this.#nonces) return this.#nonces[offset - this.#first];
    return offset === this.#first ? this.#only : undefined;
  }

  /** The oldest offset remembered. */
  get first(): number {
    return this.#first;
  }

  /** Forgets everything above `offset`: those entries are gone from the log. */
  cutAbove(offset: number): void {
    const kept = Math.max(0, Math.min(this.#size, offset - this.#first + 1));
    if (this.#nonces) this.#nonces.length = kept;
    else if (kept === 0) this.#only = undefined;
  }

  /** Remembers `position` only. */
  restart(position: Position): void {
    this.#nonces = undefined;
    this.#only = undefined;
    if (position.offset > 0) this.push(position.offset, position.nonce);
  }

  get #size(): number {
    return this.#nonces?.length ?? (this.#only === undefined ? 0 : 1);
  }
}
