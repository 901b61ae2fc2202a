import type { Offset, UserId } from './ids.js';
import type { Message, ReceiptStatus } from './model.js';

/** What one member has marked: everything up to the cursor, and ranges beyond it. */
export interface Marks {
  readonly cursor: Offset;
  /** First and last offset of each range, ascending, not touching. */
  readonly ranges: readonly (readonly [Offset, Offset])[];
}

export interface MemberMarks {
  readonly read: Marks;
  readonly delivered: Marks;
}

/** Whether `offset` is marked. */
export function isMarked(marks: Marks, offset: Offset): boolean {
  if (offset <= marks.cursor) return true;
  let low = 0;
  let high = marks.ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = marks.ranges[middle] as readonly [Offset, Offset];
    if (offset < first) high = middle - 1;
    else if (offset > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** How far a message got with its receivers: with the one of them it got furthest with. */
export type MessageStatus = 'sent' | ReceiptStatus;

/** What the members of a room have marked, for showing many messages. */
export class RoomMarks {
  readonly #members: ReadonlyMap<UserId, MemberMarks>;

  constructor(members: ReadonlyMap<UserId, MemberMarks>) {
    this.#members = members;
  }

  statusOf(message: Pick<Message, 'sender' | 'offset'>): MessageStatus {
    let status: MessageStatus = 'sent';
    for (const [user, { read, delivered }] of this.#members) {
      if (user === message.sender) continue;
      if (isMarked(read, message.offset)) return 'read';
      if (isMarked(delivered, message.offset)) status = 'delivered';
    }
    return status;
  }
}
