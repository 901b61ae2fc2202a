import { messageId } from './cursor.js';
import { notFound } from './errors.js';
import type { MessageId, Offset, UserId } from './ids.js';
import { isMarked, type MemberMarks, RoomMarks } from './marks.js';
import type { Message, ReceiptStatus, Room } from './model.js';
import type { Owed, ReceiptStore, RoomState } from './ports.js';

/** Receipts: what was delivered to and read by whom. Only rooms with participants have them. */
export class Receipts {
  readonly #store: ReceiptStore;
  readonly #readOne: (room: number, offset: Offset) => Promise<Message | undefined>;
  /** Messages sent through these dialects have receipts that are repeated until confirmed. */
  readonly #confirmed: ReadonlySet<string>;

  constructor(
    store: ReceiptStore,
    readOne: (room: number, offset: Offset) => Promise<Message | undefined>,
    confirmedDialects: readonly string[],
  ) {
    this.#store = store;
    this.#readOne = readOne;
    this.#confirmed = new Set(confirmedDialects);
  }

  /**
   * Marks the message at `offset` for `user`, a participant. Marking again, a step back, or one's own message
   * changes nothing.
   * @returns the message
   * @throws ChatError not_found when there is no such message
   */
  async mark(room: Room, user: UserId, offset: Offset, status: ReceiptStatus): Promise<Message> {
    const message = await this.#readOne(room.id, offset);
    if (!message) throw notFound('message');
    if (message.sender === user) return message;
    // Owed first: a crash in between repeats a receipt that is not there yet, and loses none.
    if (this.#confirmed.has(message.via) && !(await this.#has(room, user, offset, status))) {
      await this.#store.owe(message.sender, { messageId: messageId(message), status, by: user });
    }
    await this.#store.mark(room.id, user, offset, status);
    return message;
  }

  /** What the participants of a room have marked. */
  async marksOf(room: Room): Promise<RoomMarks> {
    const marks = await this.#store.marks(room.id, room.participants);
    return new RoomMarks(new Map(room.participants.map((user, i) => [user, marks[i] as MemberMarks])));
  }

  /** Tip, last message and unread count of each room, for `user`. */
  states(rooms: readonly Room[], user: UserId): Promise<RoomState[]> {
    return this.#store.states(
      rooms.map((room) => room.id),
      user,
    );
  }

  /** Receipts of `user`'s messages that no front end has confirmed. */
  owed(user: UserId): Promise<Owed[]> {
    return this.#store.owed(user);
  }

  /**
   * A front end of `user` has confirmed a receipt: nobody repeats it any more.
   * @returns whether anybody did
   */
  settle(user: UserId, messageId: MessageId, status: ReceiptStatus): Promise<boolean> {
    return this.#store.settle(user, { messageId, status });
  }

  async #has(room: Room, user: UserId, offset: Offset, status: ReceiptStatus): Promise<boolean> {
    const [marks] = await this.#store.marks(room.id, [user]);
    if (!marks) return false;
    return isMarked(marks.read, offset) || (status === 'delivered' && isMarked(marks.delivered, offset));
  }
}
