/** What is known of somebody: there or not, and since when. */
export interface Presence {
  readonly online: boolean;
  /** Their last sign of life, in ms. */
  readonly seenAt: number;
}

type Ask = (user: string) => Promise<Presence | undefined>;
type Listener = (presence: Presence | undefined) => void;

/** People watched at once; the documents have one request for each. */
const MAX_WATCHED = 40;
/** How often each is asked about, in ms, where that makes no more than one request in `BETWEEN_MS`. */
const ROUND_MS = 10_000;
const BETWEEN_MS = 1_000;

/** Who is there, asked again and again: one request at a time, for a bounded number of people. Newcomers come first. */
export class PresenceWatch {
  readonly #ask: Ask;
  readonly #watched = new Map<string, Set<Listener>>();
  /** Not asked about yet. */
  readonly #fresh = new Set<string>();
  #round: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /**
   * Tells about somebody, soon and then every now and then, until what it returns is called. Beyond 40 people nothing is
   * told of those who came last.
   */
  watch(user: string, listener: Listener): () => void {
    const listeners = this.#watched.get(user) ?? new Set();
    if (listeners.size === 0 && this.#watched.size >= MAX_WATCHED) return () => undefined;
    listeners.add(listener);
    this.#watched.set(user, listeners);
    this.#fresh.add(user);
    this.#plan(0);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#watched.delete(user);
    };
  }

  /** Nothing is asked any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#watched.clear();
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#next(), ms);
  }

  async #next(): Promise<void> {
    const user = this.#take();
    if (user !== undefined && this.#watched.has(user)) {
      // Nobody is told what could not be learnt.
      const presence = await this.#ask(user).catch(() => null);
      if (presence !== null) for (const listener of this.#watched.get(user) ?? []) listener(presence);
    }
    if (this.#watched.size === 0) return;
    this.#plan(this.#fresh.size > 0 ? 0 : Math.max(BETWEEN_MS, ROUND_MS / this.#watched.size));
  }

  #take(): string | undefined {
    const [fresh] = this.#fresh;
    if (fresh !== undefined) {
      this.#fresh.delete(fresh);
      return fresh;
    }
    if (this.#round.length === 0) this.#round = [...this.#watched.keys()];
    return this.#round.shift();
  }
}
