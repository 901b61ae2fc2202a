/** One thing that a node counts: a user in a room, or a user online. */
export interface Counted {
  /** Writes the state to Redis. Idempotent: it may run again when its answer was lost. */
  apply(present: boolean): Promise<void>;
}

interface Entry {
  readonly counted: Counted;
  /** Local sockets behind it. */
  sockets: number;
  /** Whether Redis has been told, and what. Undefined: unknown, must be told. */
  applied: boolean | undefined;
  grace: NodeJS.Timeout | undefined;
  /** Until when (monotonic ms) somebody who was cut off may come back. */
  awaitedUntil: number;
  writing: boolean;
  /** Redis is to be told again, whatever the write under way says. */
  repeat: boolean;
}

const RETRY_MS = 500;
/** Writes under way at once: a node that lost its lease has all of them to repeat. */
const CONCURRENT = 64;

/**
 * Keeps what Redis says about this node in line with its sockets: callers state what is, and the
 * registrar writes it, again and again while Redis is away. A departure with grace is written only when
 * nobody came back in time.
 */
export class Registrar {
  readonly #entries = new Map<string, Entry>();
  readonly #dirty = new Set<string>();
  #running = 0;
  /** Until when it may write (monotonic ms). */
  #until = 0;
  #closed = false;

  /** Writes until then (monotonic ms), which is not at all when it is past: without a lease nobody would clean up after it. */
  writeUntil(ms: number): void {
    this.#until = ms;
    this.#pump();
  }

  add(key: string, counted: () => Counted): void {
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = {
        counted: counted(),
        sockets: 0,
        applied: undefined,
        grace: undefined,
        awaitedUntil: 0,
        writing: false,
        repeat: false,
      };
      this.#entries.set(key, entry);
    }
    entry.sockets += 1;
    clearTimeout(entry.grace);
    entry.grace = undefined;
    entry.awaitedUntil = 0;
    if (entry.applied !== true) this.#mark(key);
  }

  remove(key: string, graceMs: number): void {
    const entry = this.#entries.get(key);
    if (!entry || entry.sockets === 0) return;
    entry.sockets -= 1;
    const now = performance.now();
    // Another socket of theirs may have been cut off, and be awaited for longer.
    if (graceMs > 0) entry.awaitedUntil = Math.max(entry.awaitedUntil, now + graceMs);
    if (entry.sockets > 0) return;
    if (entry.awaitedUntil <= now) {
      this.#mark(key);
      return;
    }
    entry.grace = setTimeout(() => {
      entry.grace = undefined;
      this.#mark(key);
    }, entry.awaitedUntil - now);
  }

  /** Tells Redis everything anew: under another node's name, or after it may have forgotten. */
  repeatAll(): void {
    for (const [key, entry] of this.#entries) {
      entry.applied = undefined;
      entry.repeat = entry.writing;
      this.#mark(key);
    }
  }

  /** Stops writing. What is registered stays, for the lease to end. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#entries.values()) clearTimeout(entry.grace);
  }

  #mark(key: string): void {
    this.#dirty.add(key);
    this.#pump();
  }

  #pump(): void {
    for (const key of this.#dirty) {
      if (this.#closed || performance.now() >= this.#until || this.#running >= CONCURRENT) return;
      this.#dirty.delete(key);
      this.#running += 1;
      void this.#write(key).finally(() => {
        this.#running -= 1;
        this.#pump();
      });
    }
  }

  async #write(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (!entry || entry.writing) return; // the write under way looks again when it is done
    const present = isPresent(entry);
    if (entry.applied === present) return;
    entry.writing = true;
    try {
      await entry.counted.apply(present);
      entry.applied = entry.repeat ? undefined : present;
    } catch {
      // Redis is away: it is told when it is back.
      setTimeout(() => this.#mark(key), RETRY_MS).unref();
      return;
    } finally {
      entry.writing = false;
      entry.repeat = false;
    }
    if (entry.applied !== isPresent(entry)) this.#mark(key);
    else if (!present) this.#entries.delete(key);
  }
}

function isPresent(entry: Entry): boolean {
  return entry.sockets > 0 || entry.grace !== undefined;
}
