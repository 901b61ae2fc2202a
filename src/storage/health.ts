import { setTimeout as sleep } from 'node:timers/promises';
import { ChatError } from '../core/errors.js';

/** For how long an answer proves that the store is there, and how long it may take to prove it, in ms. */
const FRESH_MS = 5_000;
const PROBE_MS = 4_000;
/**
 * While a request goes on, the store is looked at so often; a store of which nothing was heard for as long as `SILENT_MS`,
 * no answer to anybody, is given up. Long enough for a disk that stalls under many uploads at once. In ms.
 */
const LOOK_MS = 4_000;
const SILENT_MS = 20_000;
/** When a client may try again, in seconds. */
const RETRY_S = 5;
/** What a connection says that the other end has closed. */
const BROKEN: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);

/** The part of a logger that this layer needs. */
export interface StoreLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Whether the store is there: whoever wants something of one that is not hears so soon, and waits for nothing. */
export class StoreHealth {
  readonly #check: () => Promise<void>;
  readonly #endpoint: string;
  readonly #log: StoreLog;
  #provenAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  #proving: Promise<void> | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** `check`: a small request that fails when the store is not fit for use. */
  constructor(check: () => Promise<void>, endpoint: string, log: StoreLog) {
    this.#check = check;
    this.#endpoint = endpoint;
    this.#log = log;
  }

  close(): void {
    this.#closed = true;
  }

  /**
   * Resolves when the store is known to be there.
   * @throws ChatError unavailable
   */
  async prove(): Promise<void> {
    if (performance.now() - this.#provenAt < FRESH_MS) return;
    this.#proving ??= this.#probe().finally(() => {
      this.#proving = undefined;
    });
    await this.#proving;
  }

  /**
   * Runs a request that may be repeated: twice when its connection broke, since one that was kept open may be long gone.
   * @throws ChatError unavailable, whatever fails
   */
  async run<T>(request: () => Promise<T>): Promise<T> {
    try {
      const answer = await this.#whileAlive(
        request().catch((error: unknown) => {
          if (!BROKEN.has((error as { code?: unknown }).code) || this.#closed) throw error;
          return request();
        }),
      );
      this.#heard();
      return answer;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** What a request answers, however long it takes, as long as the store answers otherwise. */
  async #whileAlive<T>(request: Promise<T>): Promise<T> {
    const done = new AbortController();
    const look = async (): Promise<never> => {
      const began = performance.now();
      while (performance.now() - Math.max(began, this.#heardAt) < SILENT_MS) {
        await sleep(LOOK_MS, undefined, { signal: done.signal, ref: false });
        await this.#probe().catch(() => undefined);
      }
      throw new Error('the store does not answer');
    };
    const lost = look();
    // Whichever of them comes late is of no use to anybody.
    lost.catch(() => undefined);
    request.catch(() => undefined);
    try {
      return await Promise.race([request, lost]);
    } finally {
      done.abort();
    }
  }

  async #probe(): Promise<void> {
    const cancel = new AbortController();
    const late = sleep(PROBE_MS, undefined, { signal: cancel.signal, ref: false }).then(() => {
      throw new Error(`no answer within ${PROBE_MS} ms`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([this.#check(), late]);
      this.#heard();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      cancel.abort();
    }
  }

  #heard(): void {
    this.#heardAt = performance.now();
    this.#provenAt = this.#heardAt;
  }

  #failed(error: unknown): ChatError {
    this.#provenAt = Number.NEGATIVE_INFINITY;
    if (performance.now() - this.#warnedAt > FRESH_MS && !this.#closed) {
      this.#warnedAt = performance.now();
      this.#log.warn({ error: describe(error), endpoint: this.#endpoint }, 'the file store fails');
    }
    const detail = { retryAfterS: RETRY_S, cause: error };
    return new ChatError('unavailable', 'files are temporarily unavailable', detail);
  }
}

/** An error's code and message; never the request, which holds signatures. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const words = [code, message].filter((text) => typeof text === 'string' && text !== '');
  return words.join(': ') || String(error);
}
