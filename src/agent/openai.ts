import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai';
import { type Model, ModelError, type Turn } from './model.js';

/** Bytes of one answer with all that stands around it; past them it is garbage, whatever it is. */
const MAX_BYTES = 4 * 1024 * 1024;
/** Answers that say that the same request will fare no better. */
const FINAL = (status: number): boolean =>
  status >= 400 && status < 500 && ![408, 409, 425, 429].includes(status);

export interface OpenAiOptions {
  readonly baseUrl: string;
  /** Undefined: the endpoint wants none. */
  readonly apiKey: string | undefined;
  readonly model: string;
  /** How long nothing may come, in ms. */
  readonly silenceMs: number;
}

/** Any endpoint that speaks OpenAI's chat completions, streamed as server-sent events. */
export class OpenAiModel implements Model {
  readonly #client: OpenAI;
  readonly #model: string;
  readonly #silenceMs: number;

  constructor({ baseUrl, apiKey, model, silenceMs }: OpenAiOptions) {
    this.#model = model;
    this.#silenceMs = silenceMs;
    this.#client = new OpenAI({
      baseURL: baseUrl,
      // The client insists on a key, and looks for what is not given in variables of its own.
      apiKey: apiKey ?? 'none',
      ...(apiKey === undefined ? { defaultHeaders: { authorization: null } } : {}),
      organization: null,
      project: null,
      // Whoever asks decides what is asked again.
      maxRetries: 0,
      timeout: silenceMs,
      logLevel: 'off',
    });
  }

  async *answer(turns: readonly Turn[], signal: AbortSignal): AsyncIterable<string> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.#silenceMs);
    let finished = false;
    try {
      // Anything that comes is a sign of life: some endpoints send comments while they think.
      const client = this.#client.withOptions({ fetch: watchedFetch(() => timer.refresh()) });
      const stream = await client.chat.completions.create(
        {
          model: this.#model,
          messages: turns.map(({ role, text }) => ({ role, content: text })),
          stream: true,
        },
        { signal: AbortSignal.any([signal, silence.signal]) },
      );
      for await (const chunk of stream) {
        // The type is a promise of the client; what an endpoint sends may be anything.
        const choice = chunk?.choices?.[0];
        const text: unknown = choice?.delta?.content;
        if (typeof text === 'string' && text !== '') yield text;
        if (choice?.finish_reason) finished = true;
      }
    } catch (error) {
      throw failure(error, signal, silence.signal);
    } finally {
      clearTimeout(timer);
    }
    // The client ends a stream quietly also when it was aborted, or its connection was closed in good order half-way.
    if (!finished) throw failure(undefined, signal, silence.signal);
  }
}

function failure(error: unknown, signal: AbortSignal, silence: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (silence.aborted || error instanceof APIConnectionTimeoutError) {
    return new ModelError('silent', 'nothing came in time');
  }
  if (error === undefined) return new ModelError('cut', 'the answer ended before it was finished');
  if (error instanceof APIConnectionError) return new ModelError('unreachable', words(error.cause ?? error));
  if (error instanceof APIError) return refusal(error);
  // What fetch throws for a connection that breaks; anything else is an answer that cannot be read.
  if (error instanceof TypeError && error.message === 'terminated')
    return new ModelError('cut', words(error.cause));
  return new ModelError('garbage', words(error));
}

function refusal(error: APIError): ModelError {
  const { status } = error;
  if (status === 429)
    return new ModelError('busy', error.message, retryAfterMs(error.headers?.get('retry-after')));
  if (status !== undefined && FINAL(status)) return new ModelError('refused', error.message);
  return new ModelError('failed', error.message, retryAfterMs(error.headers?.get('retry-after')));
}

/** `Retry-After` in ms, where it is a number of seconds (RFC 9110, section 10.2.3); a date is not taken. */
function retryAfterMs(header: string | null | undefined): number | undefined {
  return header && /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : undefined;
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `fetch`, of whose answer no more is read than {@link MAX_BYTES}, and that tells of every part of it that comes. */
function watchedFetch(onPart: () => void): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    onPart();
    if (!response.body) return response;
    let bytes = 0;
    const watch = new TransformStream<Uint8Array, Uint8Array>({
      transform(part, out) {
        bytes += part.length;
        if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes came`);
        onPart();
        out.enqueue(part);
      },
    });
    return new Response(response.body.pipeThrough(watch), response);
  };
}
