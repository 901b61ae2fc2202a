import type { Message } from '../core/model.js';

const MAX_MESSAGES = 256;
/** Most of them where a few read: a read of the log for each that comes back is less than what thousands of chats would hold. */
const FEW_MESSAGES = 16;
const FEW_READERS = 4;
const MAX_BYTES = 64 * 1024;

/**
 * The newest messages of a log, without holes up to the head, so that a thousand sockets that come back
 * at once cost no thousand reads of the log. Bounded in messages and bytes; empty for a quiet room.
 */
export class Tail {
  #messages: Message[] = [];
  #bytes = 0;
  /** Everything above this offset is here. Undefined: nothing is. */
  #after: number | undefined;

  /** Appends the message that followed `before` in the log. `readers`: how many there are. */
  push(message: Message, before: number, readers = Number.POSITIVE_INFINITY): void {
    const most = readers > FEW_READERS ? MAX_MESSAGES : FEW_MESSAGES;
    if (this.#messages.length === 0) this.#after = before;
    this.#messages.push(message);
    this.#bytes += sizeOf(message);
    while (this.#messages.length > most || this.#bytes > MAX_BYTES) {
      const oldest = this.#messages.shift();
      if (!oldest) return;
      this.#bytes -= sizeOf(oldest);
      this.#after = oldest.offset;
    }
  }

  /** Takes over what was read: `messages` are all there are in the log above `after`, up to the head. */
  fill(messages: readonly Message[], after: number): void {
    this.clear();
    this.#after = after;
    let before = after;
    for (const message of messages) {
      this.push(message, before);
      before = message.offset;
    }
    if (messages.length === 0) this.#after = after;
  }

  /** Up to `count` messages above `after`, oldest first; undefined when they are not all here. */
  readAfter(after: number, count: number): Message[] | undefined {
    if (this.#after === undefined || after < this.#after) return undefined;
    // Offsets are nearly always dense: start where a dense log would have it.
    const ahead = Math.max(0, (this.#messages.at(-1)?.offset ?? after) - after);
    let start = Math.max(0, this.#messages.length - ahead);
    while (start > 0 && (this.#messages[start - 1] as Message).offset > after) start -= 1;
    while (start < this.#messages.length && (this.#messages[start] as Message).offset <= after) start += 1;
    return this.#messages.slice(start, start + count);
  }

  /** The newest `count` messages, oldest first; undefined when they are not all here. */
  newest(count: number): Message[] | undefined {
    if (this.#after === undefined) return undefined;
    if (this.#messages.length < count && this.#after > 0) return undefined;
    return count === 0 ? [] : this.#messages.slice(-count);
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#after = undefined;
  }
}

function sizeOf(message: Message): number {
  return message.text.length + message.attachments.length * 200 + 100;
}
