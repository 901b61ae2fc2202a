import type { FileStore, ObjectStore } from './file-ports.js';
import type { Files } from './files.js';

/** Files removed in one go, before the next look at the list. */
const BATCH = 100;
/** The longest pause between two rounds. */
const MAX_PAUSE_MS = 10 * 60_000;
/** Rounds in the life of a file that nothing holds: how late it may be removed. */
const ROUNDS_PER_AGE = 4;

export interface SweeperOptions {
  readonly files: Files;
  readonly store: FileStore;
  readonly objects: ObjectStore;
  /** Age at which what nothing holds is removed, in ms; 0: never. */
  readonly ageMs: number;
  readonly onRound: (removed: { files: number; uploads: number }) => void;
  readonly onError: (error: unknown) => void;
}

/** Removes files that no message holds and uploads that never ended, once they are old. One node at a time. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#pauseMs = Math.min(MAX_PAUSE_MS, options.ageMs / ROUNDS_PER_AGE);
  }

  start(): void {
    if (this.#options.ageMs === 0) return;
    this.#timer = setInterval(() => {
      this.#round ??= this.#sweep().finally(() => {
        this.#round = undefined;
      });
    }, this.#pauseMs);
    this.#timer.unref();
  }

  /** Ends it after the round under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#round;
  }

  async #sweep(): Promise<void> {
    const { store, objects, ageMs, onRound, onError } = this.#options;
    try {
      // A little less than the pause: the claim must not outlive it into the next round.
      if (!(await store.claimSweep(this.#pauseMs * 0.9))) return;
      const files = await this.#removeFiles();
      const uploads = await objects.sweep(ageMs);
      if (files + uploads > 0) onRound({ files, uploads });
    } catch (error) {
      onError(error);
    }
  }

  async #removeFiles(): Promise<number> {
    const { files, store, ageMs } = this.#options;
    let removed = 0;
    let previous: string | undefined;
    for (;;) {
      const old = await store.unattached(ageMs, BATCH);
      // What is still first could not be removed: the store is away, and the next round tries again.
      if (old.length === 0 || old[0] === previous) return removed;
      previous = old[0];
      for (const id of old) await files.remove(id);
      removed += old.length;
    }
  }
}
