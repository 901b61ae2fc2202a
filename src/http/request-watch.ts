import type { IncomingMessage } from 'node:http';
import type { Multipart } from '@fastify/multipart';
import { ChatError } from '../core/errors.js';

/** A client that sends nothing for this long is given up, in ms. */
const IDLE_MS = 30_000;
const LOOK_MS = 5_000;
/** How long the rest of a refused request is read and dropped, so that its client sees the answer, in ms. */
const LINGER_MS = 5_000;

/** Bounds what one upload sends in all, and for how long it may send nothing. */
export class RequestWatch {
  /** Why the request was given up, if it was. */
  reason: ChatError | undefined;
  readonly #raw: IncomingMessage;
  readonly #most: number;
  readonly #tooLarge: () => ChatError;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #heardAt = performance.now();
  #part: Multipart | undefined;
  #giveUp: (reason: ChatError) => void = () => undefined;

  constructor(raw: IncomingMessage, most: number, tooLarge: () => ChatError) {
    this.#raw = raw;
    this.#most = most;
    this.#tooLarge = tooLarge;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** The same parts; it ends with an error when the request is given up. */
  async *parts(parts: AsyncIterable<Multipart>): AsyncGenerator<Multipart> {
    const iterator = parts[Symbol.asyncIterator]();
    const given = new Promise<never>((_, reject) => {
      this.#giveUp = reject;
    });
    given.catch(() => undefined);
    // The parser first, so that it sets the pace of reading and not the counter.
    let next = iterator.next();
    this.#raw.on('data', this.#count);
    for (;;) {
      next.catch(() => undefined);
      const part = await Promise.race([next, given]);
      if (part.done) return;
      this.#part = part.value;
      yield part.value;
      next = iterator.next();
    }
  }

  end(): void {
    clearInterval(this.#timer);
    this.#raw.off('data', this.#count);
  }

  readonly #count = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#heardAt = performance.now();
    if (this.#bytes > this.#most) this.#refuse(this.#tooLarge());
  };

  #look(): void {
    // While it is paused the client waits for us.
    if (this.#raw.readableFlowing === false) this.#heardAt = performance.now();
    if (performance.now() - this.#heardAt > IDLE_MS) {
      this.#refuse(new ChatError('bad_request', 'the upload stalled'));
    }
  }

  #refuse(reason: ChatError): void {
    this.reason ??= reason;
    this.#giveUp(reason);
    if (this.#part?.type === 'file') this.#part.file.destroy(reason);
  }
}

/**
 * Reads and drops the rest of a request that was answered before its end, for a while: a client that is still sending
 * would not see the answer otherwise. Then the connection is cut.
 */
export function dropRest(raw: IncomingMessage): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = raw.headers;
  if (raw.complete || raw.destroyed || (encoding === undefined && Number(length ?? 0) === 0)) return;
  const timer = setTimeout(() => raw.destroy(), LINGER_MS);
  raw.on('error', () => undefined);
  raw.once('close', () => clearTimeout(timer));
  raw.resume();
}
