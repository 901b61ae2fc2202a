import { isQuestion, type Questions } from './agent.js';
import type { Range } from './cursor.js';
import { ChatError, type ErrorCode, notFound } from './errors.js';
import { type Offset, parseNumericId, type UserId, unfoldMessageId } from './ids.js';
import { checkText } from './input.js';
import type { Attachment, Message, Nonce, Profile, Room } from './model.js';
import { nonceSource } from './nonce.js';
import type { Appended, FanOut, Log } from './ports.js';
import type { Rooms } from './rooms.js';

/**
 * Messages of one page of a long history. Small: pages that outlive a garbage collection make the young heap grow, by
 * 50 MB at 500 messages a page and by a third of that at 32, and the answer takes no longer.
 */
const PAGE = 32;

/** What somebody wants to say. */
export interface Outgoing {
  readonly room: Room;
  readonly sender: Profile;
  /** Unchecked: as it came. */
  readonly text: unknown;
  /** What the dialect calls the text, for the error. */
  readonly field: string;
  readonly attachments?: readonly Attachment[] | undefined;
  readonly via: string;
  readonly key?: string | undefined;
  /** Made by {@link Messages.nonce} when the caller needs it beforehand. */
  readonly nonce?: Nonce;
}

/** A message that is stored. */
export interface Sent {
  readonly message: Message;
  /** The key was seen before: this is the first message, and nothing new was stored. */
  readonly repeated: boolean;
}

/** Sending, and reading what was sent. Who may do so in a room is decided by who hands the room out. */
export class Messages {
  readonly #log: Log;
  readonly #fanOut: Pick<FanOut, 'publish'>;
  readonly #maxBytes: number;
  readonly #questions: Questions | undefined;
  readonly nonce: () => Nonce = nonceSource();
  /** Takes how long each append took, and why it failed if it did; for metrics. */
  onAppend: (seconds: number, failed: ErrorCode | undefined) => void = () => undefined;

  constructor(log: Log, fanOut: Pick<FanOut, 'publish'>, maxBytes: number, questions?: Questions) {
    this.#log = log;
    this.#fanOut = fanOut;
    this.#maxBytes = maxBytes;
    this.#questions = questions;
  }

  /**
   * Where the message with this id would stand, in a room that `viewer` may know of. There may be none.
   * @throws ChatError not_found
   */
  async locate(rooms: Rooms, reference: string, viewer: UserId): Promise<{ room: Room; offset: Offset }> {
    const id = parseNumericId('message', reference);
    if (id === undefined) throw notFound('message');
    const { room: number, offset } = unfoldMessageId(id);
    const room = await rooms.get(String(number), viewer).catch((error: ChatError) => {
      throw error.code === 'not_found' ? notFound('message') : error;
    });
    return { room, offset };
  }

  /**
   * The message with this id, in a room that `viewer` may know of.
   * @throws ChatError not_found
   */
  async one(rooms: Rooms, reference: string, viewer: UserId): Promise<{ room: Room; message: Message }> {
    const { room, offset } = await this.locate(rooms, reference, viewer);
    const message = await this.#log.readOne(room.id, offset);
    if (!message) throw notFound('message');
    return { room, message };
  }

  /**
   * Checks a text as {@link send} does: for callers that would make a room for it first.
   * @throws ChatError bad_request, naming `field`
   */
  checkText(text: unknown, field: string, attachments: readonly unknown[] = []): string {
    return checkText(text, this.#maxBytes, field, attachments.length > 0);
  }

  /** Shows a stored message to live readers that wait for it: one with a file, whose sender now says so. */
  announce(message: Message): Promise<void> {
    return this.#fanOut.publish(message.room, { kind: 'announce', message });
  }

  /**
   * Stores a message. Resolves only when it is stored.
   * @throws ChatError bad_request for a text that is none; `unavailable`: not stored; `in_doubt`: unknown;
   *   rate_limited: too many questions to the agent; too_large: the room takes no more
   */
  async send(out: Outgoing): Promise<Sent> {
    const attachments = out.attachments ?? [];
    const text = this.checkText(out.text, out.field, attachments);
    const nonce = out.nonce ?? this.nonce();
    const sender: UserId = out.sender.id;
    const questions = isQuestion(out.room, sender) ? this.#questions : undefined;
    if (questions) await questions.admit(sender);
    const { room, via, key } = out;
    const profile = room.kind === 'public' ? undefined : out.sender;
    const start = performance.now();
    let appended: Appended;
    try {
      appended = await this.#log.append({ room, sender, text, attachments, via, nonce, key, profile });
    } catch (error) {
      this.onAppend(0, error instanceof ChatError ? error.code : 'internal');
      throw error;
    }
    this.onAppend((performance.now() - start) / 1_000, undefined);
    questions?.asked(room.id);
    const { offset, createdMs, repeated } = appended;
    const first = repeated ? await this.#log.readOne(room.id, offset) : undefined;
    const message = { room: room.id, offset, nonce, sender, text, attachments, createdMs, via };
    return { message: first ?? message, repeated };
  }

  /**
   * The messages of `range`, oldest first, page by page, so that an answer's memory does not grow with the room. Where
   * only `limit` or `before` bounds it, the newest are kept. Ends at what was newest when it began.
   */
  async *list(room: Room, range: Range): AsyncGenerator<Message[]> {
    const last = (range.before ?? Number.MAX_SAFE_INTEGER) - 1;
    if (range.limit !== undefined) {
      const { after, limit } = range;
      if (after === undefined) yield await this.#log.readBefore(room.id, last, limit);
      else
        yield (await this.#log.readAfter(room.id, after, limit)).filter((message) => message.offset <= last);
      return;
    }
    const [tip] = await this.#log.tips([room.id]);
    const end = Math.min(last, tip?.offset ?? 0);
    let after = range.after ?? 0;
    while (after < end) {
      const page = await this.#log.readAfter(room.id, after, PAGE);
      if (page.length === 0) return;
      yield page.filter((message) => message.offset <= end);
      after = (page.at(-1) as Message).offset;
    }
  }
}
