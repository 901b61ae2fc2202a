import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentJob } from '../core/agent-jobs.js';
import type { RoomId } from '../core/ids.js';
import type { RoomStore } from '../core/ports.js';
import { Run, type RunOptions } from './run.js';

/** Rooms that a node answers in at once. */
const CONCURRENT = 32;
/** How often jobs of nodes that are gone are looked for, and questions that nobody was woken for, in ms. */
const TAKE_OVER_MS = 3_000;
const SWEEP_MS = 5_000;
const RETRY_MS = 500;

export interface WorkerOptions extends RunOptions {
  readonly rooms: Pick<RoomStore, 'get'>;
  /** Redis is away, or we have a fault; it goes on. */
  readonly onError: (error: unknown) => void;
}

/** Answers questions on this node, as many rooms at once as it can, until it is closed. */
export class AgentWorker {
  readonly #options: WorkerOptions;
  readonly #name = randomBytes(9).toString('base64url');
  readonly #runs = new Map<RoomId, Run>();
  readonly #looking = new Set<Promise<void>>();
  #count = 0;
  #stopping = false;
  #quitting = false;
  #loop: Promise<void> = Promise.resolve();
  #tookOverAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#takeJobs();
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  /** Takes no more jobs. What is being answered is answered. */
  stop(): void {
    this.#stopping = true;
    clearInterval(this.#timer);
  }

  /** Waits for the answers under way for `graceMs`, then leaves the rest to other nodes. */
  async close(graceMs: number): Promise<void> {
    this.stop();
    const done = (async () => {
      await this.#loop;
      while (this.#looking.size > 0) await Promise.all(this.#looking);
    })();
    const late = setTimeout(() => {
      this.#quitting = true;
      for (const run of this.#runs.values()) run.abort();
    }, graceMs);
    await done;
    clearTimeout(late);
  }

  async #takeJobs(): Promise<void> {
    while (!this.#stopping) {
      const free = CONCURRENT - this.#looking.size;
      if (free <= 0) {
        await Promise.race(this.#looking);
        continue;
      }
      try {
        for (const job of await this.#nextJobs(free)) this.#look(job);
      } catch (error) {
        this.#options.onError(error);
        await sleep(RETRY_MS);
      }
    }
  }

  /** Now and then what nodes that are gone have left, else what is new. */
  async #nextJobs(count: number): Promise<AgentJob[]> {
    const { jobs } = this.#options;
    if (performance.now() - this.#tookOverAt < TAKE_OVER_MS) return jobs.take(count);
    const left = await jobs.takeOver(count);
    if (left.length < count) this.#tookOverAt = performance.now();
    return left;
  }

  #look(job: AgentJob): void {
    const looking = this.#lookAt(job)
      .catch((error: unknown) => {
        if (!isAbort(error)) this.#options.onError(error);
      })
      .finally(() => this.#looking.delete(looking));
    this.#looking.add(looking);
  }

  /** Answers what is pending in the job's room, unless somebody does. What fails is left, for whoever takes it over. */
  async #lookAt(job: AgentJob): Promise<void> {
    const { jobs, rooms } = this.#options;
    const room = await rooms.get(job.room);
    if (!room) return jobs.done(job);
    if (this.#stopping) return this.#passOn(job);
    this.#count += 1;
    const token = `${this.#name}.${this.#count}`;
    const run = new Run(this.#options, room, token);
    if (this.#runs.has(room.id) || !(await jobs.hold(room.id, token))) {
      // Whoever answers there looks again at the end. A job of theirs stays: it is found when they do not come to the end.
      return job.claimed ? undefined : jobs.done(job);
    }
    this.#runs.set(room.id, run);
    if (this.#quitting) run.abort();
    let finished = false;
    try {
      await run.answerAll();
      finished = true;
    } finally {
      await jobs.release(room.id, token).catch(() => undefined); // it ends by itself
      this.#runs.delete(room.id);
      if (!finished && this.#stopping) await this.#passOn(job);
    }
    await jobs.done(job);
    // Asked while the lease was given back: whoever was woken for it saw it taken.
    if ((await jobs.next(room.id)) !== undefined) await jobs.wake(room.id);
  }

  /** This node ends: somebody else is to look at once. */
  async #passOn(job: AgentJob): Promise<void> {
    const { jobs } = this.#options;
    await jobs.wake(job.room);
    await jobs.done(job);
  }

  async #sweep(): Promise<void> {
    const { jobs, stats, onError } = this.#options;
    try {
      stats.pending = await jobs.sweep(SWEEP_MS);
    } catch (error) {
      onError(error);
    }
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
