import type { DeltaEvent } from '../core/model.js';
import { decodePrefix } from './context.js';

/** Live readers are told of new text so often at most, in ms. */
const PUBLISH_MS = 50;
const ELLIPSIS = '…';

/** An answer while it is written: collected, bounded, and shown to live readers as it grows. */
export class AnswerDraft {
  readonly #maxBytes: number;
  readonly #publish: (event: DeltaEvent) => Promise<void>;
  #text = '';
  #bytes = 0;
  #shown = 0;
  #anew: boolean;
  #timer: NodeJS.Timeout | undefined;
  #publishing: Promise<void> | undefined;

  /**
   * `maxBytes`: of UTF-8, as of any message. `publish` may fail: what is shown is no promise. `anew`: somebody else may
   * have shown another beginning.
   */
  constructor(maxBytes: number, publish: (event: DeltaEvent) => Promise<void>, anew: boolean) {
    this.#anew = anew;
    this.#maxBytes = maxBytes;
    this.#publish = publish;
  }

  /** Whether nothing more fits. */
  get full(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  add(piece: string): void {
    if (this.full) return;
    this.#text += piece;
    this.#bytes += Buffer.byteLength(piece);
    if (!this.full) this.#timer ??= setTimeout(() => this.#show(), PUBLISH_MS);
  }

  /** Forgets what was written: it is written anew. */
  restart(): void {
    this.stop();
    this.#anew ||= this.#shown > 0;
    this.#text = '';
    this.#bytes = 0;
    this.#shown = 0;
  }

  /** Shows nothing more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The answer as it is to be stored, cut where it is too long. Live readers have been shown all of it. */
  async finish(): Promise<string> {
    this.stop();
    await this.#publishing;
    // What is no Unicode would come back changed.
    this.#text = shortened(Buffer.from(this.#text).toString(), this.#maxBytes);
    this.#show();
    // Awaited: it is to arrive before the stored message.
    await this.#publishing;
    return this.#text;
  }

  #show(): void {
    this.#timer = undefined;
    // One publication after the other keeps them in order; what is written meanwhile leaves in one.
    if (this.#publishing) {
      this.#timer = setTimeout(() => this.#show(), PUBLISH_MS);
      return;
    }
    // The first half of a character (a surrogate) waits for the second one.
    const end = this.#text.length - (/[\uD800-\uDBFF]$/.test(this.#text) ? 1 : 0);
    if (end <= this.#shown) return;
    const event: DeltaEvent = { kind: 'delta', text: this.#text.slice(this.#shown, end), anew: this.#anew };
    this.#anew = false;
    this.#shown = end;
    const done = () => {
      this.#publishing = undefined;
    };
    this.#publishing = this.#publish(event).then(done, done);
  }
}

/** The text, or as much of it as leaves room for an ellipsis within `maxBytes` of UTF-8. */
export function shortened(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return decodePrefix(bytes, Math.max(0, maxBytes - Buffer.byteLength(ELLIPSIS))) + ELLIPSIS;
}
