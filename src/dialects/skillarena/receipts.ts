import { messageId } from '../../core/cursor.js';
import { ChatError, notFound } from '../../core/errors.js';
import { type MessageId, parseNumericId } from '../../core/ids.js';
import type { ReceiptStatus, Room } from '../../core/model.js';
import { namesUser } from '../../core/people.js';
import { otherParticipant } from '../../core/rooms.js';
import type { ChatSocket, DialectContext } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { ReceiptData } from './api.js';

const receiptOf = frameOf(ReceiptData);

/** A receipt that a front end has confirmed. */
export interface Confirmed {
  readonly messageId: MessageId;
  readonly status: ReceiptStatus;
}

/**
 * Takes the `data` of a `receipt_update`: the receiver's report, or, with `stop`, the sender's confirmation.
 * @returns what was confirmed, undefined for a report
 * @throws ChatError bad_request, forbidden, not_found
 */
export async function takeReceipt(
  data: Record<string, unknown>,
  socket: ChatSocket,
  context: DialectContext,
): Promise<Confirmed | undefined> {
  const { message_id, status, chat_id, user_id, ...rest } = receiptOf(data);
  const stop = rest.stop === true || rest.stop === 'true';
  const { room, offset } = await context.messages.locate(context.rooms, String(message_id), socket.user);
  if (room.kind !== 'direct') throw notFound('message');
  checkChat(chat_id, room);
  const by = stop ? otherParticipant(room, socket.user) : socket.user;
  checkUser(user_id, by, stop);
  if (!stop) {
    const { sender } = await context.receipts.mark(room, socket.user, offset, status);
    if (sender === socket.user) throw new ChatError('forbidden', 'only the receiver of a message may report');
    return undefined;
  }
  const id = messageId({ room: room.id, offset });
  await confirm(id, status, socket, context);
  return { messageId: id, status };
}

async function confirm(
  id: MessageId,
  status: ReceiptStatus,
  socket: ChatSocket,
  context: DialectContext,
): Promise<void> {
  // Only one's own messages are owed a receipt; that one is may have been trimmed from the log since.
  if (await context.receipts.settle(socket.user, id, status)) return;
  const { message } = await context.messages.one(context.rooms, String(id), socket.user);
  if (message.sender !== socket.user) {
    throw new ChatError('forbidden', 'only the sender of a message may stop its receipts');
  }
}

function checkChat(value: ReceiptData['chat_id'], room: Room): void {
  if (value === undefined || parseNumericId('room', String(value)) === room.id) return;
  throw new ChatError('bad_request', 'chat_id must be the chat of the message', { field: 'chat_id' });
}

function checkUser(value: ReceiptData['user_id'], by: string, stop: boolean): void {
  if (value === undefined || namesUser(value, by)) return;
  const words = stop ? 'user_id must be the receiver of the message' : 'user_id must be your own';
  throw new ChatError('bad_request', words, { field: 'user_id' });
}
