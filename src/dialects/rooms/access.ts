import type { FastifyRequest } from 'fastify';
import { ChatError } from '../../core/errors.js';
import type { Identity } from '../../core/identity.js';
import type { Profile, Room } from '../../core/model.js';
import { namesUser } from '../../core/people.js';
import type { DialectContext } from '../dialect.js';

export interface RoomsSettings {
  /** `trusted`: user ids are believed, for public rooms. `jwt`: a token whose subject is the user id. */
  readonly auth: 'trusted' | 'jwt';
  /** Whether users may be made here. */
  readonly localAccounts: boolean;
}

/** Who acts in a room. */
export interface Actor {
  readonly profile: Profile;
  readonly identity: Identity | undefined;
  readonly room: Room;
}

/**
 * The user `claimed` (as a path or body has it) in the room `reference`. In `jwt` mode, and in rooms that are not public,
 * the token's bearer must be that user; in `trusted` mode the id is believed, and an unknown one is created.
 * @throws ChatError unauthorized, not_found, bad_request
 */
export async function actor(
  request: FastifyRequest,
  reference: string,
  claimed: unknown,
  context: DialectContext,
  settings: RoomsSettings,
): Promise<Actor> {
  const identity = await (settings.auth === 'jwt'
    ? context.authenticate(request)
    : context.identify(request));
  // Any other number has no one way to be written as an id.
  if (typeof claimed !== 'string' && !(Number.isSafeInteger(claimed) && (claimed as number) >= 0)) {
    throw new ChatError('bad_request', 'user_id must be a string', { field: 'user_id' });
  }
  const bears = identity !== undefined && namesUser(claimed, identity.user);
  if (settings.auth === 'jwt' && !bears) throw notTheUser();
  const room = await context.rooms.get(reference, identity?.user);
  if (identity && bears) return { room, identity, profile: await context.people.get(identity.user) };
  if (room.kind !== 'public') throw notTheUser();
  return { room, identity: undefined, profile: await context.people.believe(String(claimed)) };
}

function notTheUser(): ChatError {
  return new ChatError('unauthorized', 'the token is not that of the user given');
}
