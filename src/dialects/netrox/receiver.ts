import { ChatError } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import type { Profile } from '../../core/model.js';
import type { DialectContext } from '../dialect.js';

/**
 * The other person of a thread, whom `reference` names for `user`.
 * @throws ChatError not_found, in the document's words as it spells them: nobody, or oneself
 */
export async function receiver(reference: string, user: UserId, context: DialectContext): Promise<Profile> {
  const profile = await context.people.find(reference);
  if (!profile || profile.id === user) throw new ChatError('not_found', 'Invalid receipient');
  return profile;
}
