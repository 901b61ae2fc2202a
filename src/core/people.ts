import { ChatError, notFound } from './errors.js';
import type { Identity } from './identity.js';
import { isUserId, isWellFormed, parseUuid, type UserId } from './ids.js';
import type { Profile } from './model.js';
import type { UserStore } from './ports.js';

/** Longest name a person or room may have, in UTF-16 units. */
export const MAX_NAME_LENGTH = 255;

/** People: who they are, and how a reference to one is read. */
export class People {
  readonly #store: UserStore;

  constructor(store: UserStore) {
    this.#store = store;
  }

  /** The profile of a token's bearer: created at the first token, updated by newer ones. */
  signIn(identity: Identity): Promise<Profile> {
    return this.#store.ensure(identity.user, identity.claims, identity.issuedAtS);
  }

  /** The user with this id, created when unknown. Only for where an id is believed without a token. */
  async believe(reference: string): Promise<Profile> {
    const known = await this.find(reference);
    if (known) return known;
    const user = canonicalUserId(reference);
    if (!isUserId(user)) throw new ChatError('bad_request', 'not a user id', { field: 'user_id' });
    return this.#store.ensure(user, {}, undefined);
  }

  /** A new local user with the next free number. */
  createGuest(username: string): Promise<Profile> {
    return this.#store.createLocal({ preferredUsername: username });
  }

  /** The user that `reference` names in any dialect's form; a user with exactly that id comes first. */
  async find(reference: string): Promise<Profile | undefined> {
    const canonical = canonicalUserId(reference);
    if (canonical !== reference) return this.#store.get(canonical);
    return isUserId(reference) ? this.#store.get(reference) : undefined;
  }

  /** @throws ChatError not_found */
  async get(reference: string): Promise<Profile> {
    const profile = await this.find(reference);
    if (!profile) throw notFound('user');
    return profile;
  }

  /** The newest `limit` users before `before`, oldest first. */
  list(limit: number, before: UserId | undefined): Promise<Profile[]> {
    return this.#store.list(limit, before);
  }

  /** The profiles of `users` that are known. */
  async profiles(users: readonly UserId[]): Promise<Map<UserId, Profile>> {
    const found = await this.#store.getMany(users);
    return new Map(found.filter((profile) => profile !== undefined).map((profile) => [profile.id, profile]));
  }
}

/**
 * The id that a reference stands for: a user's UUID is read back as its number, everything else is taken
 * as it is. Nobody's own id has that form, so no exact id is ever shadowed.
 */
export function canonicalUserId(reference: string): UserId {
  const uuid = parseUuid(reference);
  return uuid?.kind === 'user' ? String(uuid.n) : reference;
}

/** Whether `reference` (text, or a number as JSON has them) names `user`. */
export function namesUser(reference: unknown, user: UserId): boolean {
  if (typeof reference === 'number') return String(reference) === user;
  return typeof reference === 'string' && canonicalUserId(reference) === user;
}

/** How a person is called: the name they chose, else what is known, else the id. */
export function displayName(profile: Profile): string {
  return profile.username ?? profile.name ?? profile.email?.split('@')[0] ?? profile.id;
}

/**
 * A person's given and family name, '' where unknown. Who is known by one name only has it divided at its first
 * space, so that both together still read as the name; with no name at all the name they chose stands for it.
 */
export function givenAndFamily(profile: Profile): { given: string; family: string } {
  const { firstName, lastName, name, username } = profile;
  if (firstName !== null || lastName !== null) return { given: firstName ?? '', family: lastName ?? '' };
  const [given = '', ...rest] = (name ?? username ?? '').trim().split(/\s+/);
  return { given, family: rest.join(' ') };
}

/**
 * Checks a name: a non-blank string of at most 255 characters.
 * @throws ChatError bad_request, naming `field`
 */
export function checkName(value: unknown, field: string): string {
  const fits = typeof value === 'string' && value.trim() !== '' && value.length <= MAX_NAME_LENGTH;
  if (!fits || !isWellFormed(value)) {
    throw new ChatError(
      'bad_request',
      `${field} must be a non-blank string of at most ${MAX_NAME_LENGTH} characters`,
      {
        field,
      },
    );
  }
  return value;
}
