import type { Message } from './types.js';

/** Messages that are remembered as they are: more than come between two places to resume from. Of others, how far they went. */
const REMEMBERED = 500;

/** What a channel has told, in bounded memory: a resume repeats some of it, and a fail-over gives places to other messages. */
export class Told {
  /** The newest place in each room. */
  readonly #newest = new Map<string, number>();
  /** The last ones by id, which is a room and a place in it; oldest first. */
  readonly #last = new Map<string, Message>();

  add(message: Message): void {
    this.#newest.set(message.room, message.offset);
    this.#last.delete(message.id);
    this.#last.set(message.id, message);
    if (this.#last.size > REMEMBERED) this.#last.delete(this.#last.keys().next().value as string);
  }

  /** Whether this very message was told; undefined when its place was passed, and by which message is not known any more. */
  has({ id, room, offset, at, sender, text }: Message): boolean | undefined {
    if (offset > (this.#newest.get(room) ?? 0)) return false;
    const told = this.#last.get(id);
    return told && told.at === at && told.sender === sender && told.text === text;
  }

  clear(): void {
    this.#newest.clear();
    this.#last.clear();
  }
}
