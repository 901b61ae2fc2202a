import { AGENT_PROFILE } from './agent.js';
import { ChatError, notFound } from './errors.js';
import type { Identity } from './identity.js';
import { AGENT_USER, isUserId, isWellFormed, parseUuid, type UserId } from './ids.js';
import type { Profile } from './model.js';
import type { ContactStore, UserStore } from './ports.js';

/** Longest name a person or room may have, in UTF-16 units. */
export const MAX_NAME_LENGTH = 255;

/** People of one page of a long listing. */
const PAGE = 500;

/** People: who they are, how a reference to one is read, and who may see whom. */
export class People {
  readonly #store: UserStore;
  readonly #contacts: ContactStore | undefined;

  /** With `contacts`, people see only those with whom they share a room; without, everybody. */
  constructor(store: UserStore, contacts?: ContactStore) {
    this.#store = store;
    this.#contacts = contacts;
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

  /**
   * The user that `reference` names in any dialect's form; a user with exactly that id comes first. For addressing
   * somebody, which never is the agent: whoever shows profiles asks {@link lookUp}.
   */
  async find(reference: string): Promise<Profile | undefined> {
    const user = canonicalUserId(reference);
    return isUserId(user) ? this.#store.get(user) : undefined;
  }

  /** @throws ChatError not_found */
  async get(reference: string): Promise<Profile> {
    const profile = await this.find(reference);
    if (!profile) throw notFound('user');
    return profile;
  }

  /** The user that `reference` names, if `viewer` (undefined: somebody unknown) may see them. The agent is no secret. */
  async visible(reference: string, viewer: UserId | undefined): Promise<Profile | undefined> {
    if (canonicalUserId(reference) === AGENT_USER) return AGENT_PROFILE;
    if (!this.#contacts) return this.find(reference);
    const user = canonicalUserId(reference);
    if (viewer === undefined || !isUserId(user)) return undefined;
    // In this order strangers take as long as people who do not exist.
    return (await this.#contacts.areContacts(viewer, user)) ? this.find(reference) : undefined;
  }

  /**
   * The same, for where there must be one.
   * @throws ChatError not_found when there is none, or `viewer` may not see them: nobody can tell which
   */
  async lookUp(reference: string, viewer: UserId | undefined): Promise<Profile> {
    const profile = await this.visible(reference, viewer);
    if (!profile) throw notFound('user');
    return profile;
  }

  /** Of those whom `viewer` may see, the newest `limit` before `before`, oldest first. */
  async list(viewer: UserId | undefined, limit: number, before: UserId | undefined): Promise<Profile[]> {
    if (!this.#contacts) return this.#store.list(limit, before);
    const visible = viewer === undefined ? [] : await this.#contacts.contactsOf(viewer);
    const end = before === undefined ? visible.length : Math.max(0, visible.indexOf(before));
    return this.#known(visible.slice(Math.max(0, end - limit), end));
  }

  /** All whom `viewer` may see, oldest first, page by page. */
  async *everyone(viewer: UserId): AsyncGenerator<Profile[]> {
    if (this.#contacts) {
      const visible = await this.#contacts.contactsOf(viewer);
      for (let i = 0; i < visible.length; i += PAGE) yield await this.#known(visible.slice(i, i + PAGE));
      return;
    }
    let after: UserId | undefined;
    do {
      const page = await this.#store.listAfter(after, PAGE);
      yield page;
      after = page.at(-1)?.id;
    } while (after !== undefined);
  }

  async #known(users: readonly UserId[]): Promise<Profile[]> {
    return (await this.#store.getMany(users)).filter((profile) => profile !== undefined);
  }

  /** What this node knows of a user without asking; undefined: ask. */
  known(user: UserId): Profile | undefined {
    return this.#store.known(user);
  }

  /** The profiles of `users` that are known, the agent's too. */
  async profiles(users: readonly UserId[]): Promise<Map<UserId, Profile>> {
    const known = await this.#known(users.filter((user) => user !== AGENT_USER));
    const all = known.length < users.length && users.includes(AGENT_USER) ? [AGENT_PROFILE, ...known] : known;
    return new Map(all.map((profile) => [profile.id, profile]));
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

/**
 * Reads `?before=` of a listing of people: the id of one of them.
 * @throws ChatError bad_request
 */
export function parseBefore(value: unknown): UserId | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return canonicalUserId(value);
  throw new ChatError('bad_request', 'before must be the id of a user', { field: 'before' });
}

/** How a person is called: the name they chose, else what is known, else the id. */
export function displayName(profile: Profile): string {
  return profile.username || profile.name || profile.email?.split('@')[0] || profile.id;
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
