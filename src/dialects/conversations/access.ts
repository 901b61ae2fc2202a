import type { Accounts } from '../../core/accounts.js';
import { type ChatError, notFound } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import type { Room, RoomKind } from '../../core/model.js';
import type { Tickets } from '../../core/ports.js';
import type { DialectContext } from '../dialect.js';

export interface ConversationsSettings {
  /** Undefined: people come with tokens of somebody else's, and nobody registers here. */
  readonly accounts: Accounts | undefined;
  readonly tickets: Tickets;
  /** The address under which clients reach the service; undefined: the one that each request names. */
  readonly publicUrl: string | undefined;
}

/** Rooms that are conversations; public rooms are none. */
export const CONVERSATION_KINDS: readonly RoomKind[] = ['direct', 'agent'];

/**
 * The conversation that `reference` names.
 * @throws ChatError not_found, in the same words whether there is none or `user` is not in it
 */
export async function conversationOf(
  reference: string,
  user: UserId,
  context: DialectContext,
): Promise<Room> {
  const room = await context.rooms.get(reference, user).catch((error: ChatError) => {
    throw error.code === 'not_found' ? notFound('conversation') : error;
  });
  if (!CONVERSATION_KINDS.includes(room.kind)) throw notFound('conversation');
  return room;
}
