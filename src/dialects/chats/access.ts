import { ChatError, notFound } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import type { Message, Profile, Room, RoomKind } from '../../core/model.js';
import type { DialectContext } from '../dialect.js';

/** Rooms that this document calls chats; public rooms don't exist here. */
export const CHAT_KINDS: readonly RoomKind[] = ['direct', 'agent'];

/**
 * The chat that `reference` names.
 * @throws ChatError not_found, in the same words whether there is none or `user` is not in it
 */
export async function chatOf(reference: string, user: UserId, context: DialectContext): Promise<Room> {
  const room = await context.rooms.get(reference, user).catch((error: ChatError) => {
    throw error.code === 'not_found' ? notFound('chat') : error;
  });
  if (!CHAT_KINDS.includes(room.kind)) throw notFound('chat');
  return room;
}

/**
 * The message that `reference` names, in a chat of `user`.
 * @throws ChatError not_found
 */
export async function messageOf(
  reference: string,
  user: UserId,
  context: DialectContext,
): Promise<{ room: Room; message: Message }> {
  const found = await context.messages.one(context.rooms, reference, user);
  if (!CHAT_KINDS.includes(found.room.kind)) throw notFound('message');
  return found;
}

/**
 * The user that `reference` names, whose status `viewer` asks for.
 * @throws ChatError not_found, in the words of a user who never was active
 */
export function seenUser(reference: string, viewer: UserId, context: DialectContext): Promise<Profile> {
  return context.people.lookUp(reference, viewer).catch((error: ChatError) => {
    throw error.code === 'not_found' ? notFound('User status') : error;
  });
}

/**
 * A reference to a user as a body has it: a number or a string.
 * @throws ChatError bad_request, naming `user_id`
 */
export function userReference(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  // Any other number has no one way to be written as an id.
  if (Number.isSafeInteger(value) && (value as number) >= 0) return String(value);
  throw new ChatError('bad_request', 'user_id must be the id of a user', { field: 'user_id' });
}
