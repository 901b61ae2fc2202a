import { objectOf } from './speech.js';
import { RefusedError } from './types.js';

export interface HttpOptions {
  /** http:// or https://, without a path. */
  readonly url: string;
  /** The token, now; undefined: without one. */
  token(): Promise<string | undefined>;
  readonly fetch: typeof fetch;
}

export interface RequestOptions {
  readonly body?: unknown;
  /** An idempotency key: with it a send is repeated where that may help. */
  readonly key?: string;
  readonly signal?: AbortSignal;
  /** At most so many attempts; 1 for no repeat. */
  readonly attempts?: number;
}

const DEADLINE_MS = 15_000;
/** Attempts of what may be repeated, and the longest wait before one, in ms. */
const ATTEMPTS = 4;
const LONGEST_WAIT_MS = 10_000;

/** Requests with a token and a deadline. What changes nothing, or has a key, is tried again when that may help. */
export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * The answer's JSON.
   * @throws RefusedError in the words of the service; with status 0 when it could not be reached
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const repeatable = method === 'GET' || options.key !== undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once<T>(method, path, options);
      } catch (error) {
        const refused = asRefused(error);
        const final =
          options.signal?.aborted === true || !mayPass(refused) || attempt >= (options.attempts ?? ATTEMPTS);
        if (!repeatable || final) throw refused;
        await sleep(waitOf(refused, attempt));
      }
    }
  }

  async #once<T>(method: string, path: string, { body, key, signal }: RequestOptions): Promise<T> {
    const token = await this.#options.token();
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const response = await this.#options.fetch(this.#options.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    const text = await response.text();
    if (!response.ok) throw refusalOf(response.status, text, response.headers.get('retry-after'));
    return JSON.parse(text) as T;
  }
}

/** What an answer that is no success says, in the shape of any document. */
export function refusalOf(status: number, text: string, retryAfter: string | null): RefusedError {
  const seconds = Number(retryAfter);
  const retryAfterS = retryAfter !== null && Number.isFinite(seconds) ? seconds : undefined;
  return new RefusedError(wordsOf(text) ?? `the service answered ${status}`, status, retryAfterS);
}

function wordsOf(text: string): string | undefined {
  try {
    const body = objectOf(JSON.parse(text));
    const { detail, message, error } = body;
    const [field, faults] = Object.entries(body)[0] ?? [];
    if (typeof detail === 'string') return detail;
    if (typeof message === 'string') return message;
    if (error !== undefined) return String(objectOf(error).message);
    return Array.isArray(faults) ? `${field}: ${faults.join(', ')}` : undefined;
  } catch {
    return undefined;
  }
}

function asRefused(error: unknown): RefusedError {
  if (error instanceof RefusedError) return error;
  const refused = new RefusedError('the service cannot be reached');
  refused.cause = error;
  return refused;
}

function mayPass({ status }: RefusedError): boolean {
  return status === 0 || status === 429 || status === 502 || status === 503 || status === 504;
}

function waitOf({ retryAfterS }: RefusedError, attempt: number): number {
  const asked = (retryAfterS ?? 0) * 1_000;
  return Math.min(LONGEST_WAIT_MS, asked + Math.random() * 300 * 2 ** attempt);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
