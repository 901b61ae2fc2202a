import type { ProfileClaims } from '../core/identity.js';
import type { UserId } from '../core/ids.js';
import type { Profile } from '../core/model.js';
import type { UserStore } from '../core/ports.js';
import { inBulk } from './bulk.js';
import { type Client, guard, unavailable } from './connection.js';
import { channels, keys } from './keys.js';
import { runScript, scripts } from './scripts.js';

/** How long a profile read here is believed, in ms, where nobody says that it has changed: what says so may get lost. */
const FRESH_MS = 5_000;
const KEPT_PROFILES = 20_000;
/** Numbers tried for a new user. Each try goes twice as far as the one before: that many pass any number of takings. */
const MAX_NUMBER_TRIES = 40;
/** The field that keeps the e-mail of a user's account, in the form of the login index. */
const ACCOUNT = 'account';

/** Claims by the name of the hash field that keeps them. */
const FIELDS = {
  email: 'email',
  name: 'name',
  givenName: 'first',
  familyName: 'last',
  picture: 'picture',
  role: 'role',
  preferredUsername: 'username',
} as const satisfies Record<keyof ProfileClaims, string>;

interface Kept {
  readonly profile: Profile;
  readonly readAt: number;
  /** The claims written last, so that a token seen again costs no write. */
  readonly claims: string | undefined;
}

/** People in Redis hashes, and a sorted set of them by the time they were made. */
export class RedisUsers implements UserStore {
  readonly #client: Client;
  readonly #kept = new Map<UserId, Kept>();
  /** For each read under way, who was said to have changed since: what it brings may be what they were before. */
  readonly #reads = new Set<Set<UserId>>();

  /** `client`: with role `commands`. */
  constructor(client: Client) {
    this.#client = client;
  }

  async get(user: UserId): Promise<Profile | undefined> {
    return (await this.getMany([user]))[0];
  }

  async getMany(users: readonly UserId[]): Promise<(Profile | undefined)[]> {
    const fresh = Date.now() - FRESH_MS;
    const stale = users.filter((user) => (this.#kept.get(user)?.readAt ?? 0) < fresh);
    const before = stale.map((user) => this.#kept.get(user));
    const found = new Map<UserId, Profile>();
    const [hashes, changed] = await this.#watched(() =>
      inBulk(this.#client, stale, (redis, user) => redis.hgetall(keys.user(user))),
    );
    hashes.forEach((hash, i) => {
      const user = stale[i] as UserId;
      const profile = decodeProfile(user, hash);
      if (!profile) return;
      const now = this.#kept.get(user);
      const isNews = now === before[i] && !changed.has(user);
      found.set(user, isNews ? this.#keep(profile, now?.claims) : (now?.profile ?? profile));
    });
    return users.map((user) => found.get(user) ?? this.#kept.get(user)?.profile);
  }

  async ensure(user: UserId, claims: ProfileClaims, issuedAtS: number | undefined): Promise<Profile> {
    const pairs = claimPairs(claims);
    const written = `${issuedAtS ?? 0} ${pairs.join('\n')}`;
    const kept = this.#kept.get(user);
    if (kept?.claims === written) return kept.profile;
    const [profile, changed] = await this.#watched(async () => {
      const [outcome, fields] = await this.#write(user, 'any', issuedAtS ?? 0, pairs);
      const profile = decodeProfile(user, fields) as Profile;
      // Listed at first sight here too: whoever created it may have died before listing it.
      if (outcome === 1 || kept === undefined) await this.#list(profile);
      // Before the caller is answered: who asks another node from then on is to find it there. If it is lost, they wait.
      if (outcome === 2) await this.#client.spublish(channels.profiles, user).catch(() => undefined);
      return profile;
    });
    if (!changed.has(user)) return this.#keep(profile, written);
    return (await this.get(user).catch(() => undefined)) ?? profile; // by now it may be another one
  }

  /** What `work` answers, and who was said to have changed meanwhile. */
  async #watched<T>(work: () => Promise<T>): Promise<[T, ReadonlySet<UserId>]> {
    const changed = new Set<UserId>();
    this.#reads.add(changed);
    try {
      return [await work(), changed];
    } finally {
      this.#reads.delete(changed);
    }
  }

  known(user: UserId): Profile | undefined {
    return this.#kept.get(user)?.profile;
  }

  /** The user has changed: what is known here is not believed any more, and read anew. */
  forget(user: UserId): void {
    for (const changed of this.#reads) changed.add(user);
    if (this.#kept.delete(user)) this.get(user).catch(() => undefined); // whoever needs it asks again
  }

  async createLocal(claims: ProfileClaims): Promise<Profile> {
    return this.enlist(await this.createUnlisted(claims));
  }

  /** A new user with the next free number, whom no listing shows yet; with an account, its e-mail. */
  async createUnlisted(claims: ProfileClaims, account?: string): Promise<Profile> {
    let step = 1;
    for (let tries = 0; tries < MAX_NUMBER_TRIES; tries += 1) {
      const user = String(await guard(this.#client.incrby(keys.userCounter, step)));
      const [outcome, fields] = await this.#write(user, 'new', 0, recordPairs(claims, account));
      if (outcome === 1) return decodeProfile(user, fields) as Profile;
      // Taken: by a token of that subject, by an import (of thousands in a row), or by a counter rolled back.
      step *= 2;
    }
    throw unavailable(new Error('no free user number'));
  }

  /** Puts a user into the listings. */
  async enlist(profile: Profile): Promise<Profile> {
    await this.#list(profile);
    return this.#keep(profile, undefined);
  }

  /** Takes back a user of {@link createUnlisted}: the number stays unused. */
  async discard(user: UserId): Promise<void> {
    this.#kept.delete(user);
    await guard(this.#client.del(keys.user(user)));
  }

  /** The e-mail of the user's account, as the login index has it; null when there is no user, or no account. */
  async accountOf(user: UserId): Promise<string | null> {
    return guard(this.#client.hget(keys.user(user), ACCOUNT));
  }

  /** Makes a user with an account anew, unless the number is taken. @returns see {@link accountOf} */
  async restore(user: UserId, claims: ProfileClaims, account: string): Promise<string | null> {
    await this.#write(user, 'new', 0, recordPairs(claims, account));
    return this.accountOf(user);
  }

  /**
   * The user whom an import knows by this e-mail (in the form of the login index, which is another one: an import gives
   * nobody an account). Made when there is none: one, also when two imports run at once.
   */
  async numberImported(email: string): Promise<{ user: UserId; created: boolean }> {
    const index = keys.importIndex(email);
    const known = await guard(this.#client.get(index));
    if (known !== null) return { user: known, created: false };
    const made = await this.createUnlisted({});
    const winner = await guard(this.#client.set(index, made.id, 'NX', 'GET'));
    if (winner === null || winner === made.id) return { user: made.id, created: true };
    await this.discard(made.id);
    return { user: winner, created: false };
  }

  async list(limit: number, before: UserId | undefined): Promise<Profile[]> {
    const rank = before === undefined ? null : await guard(this.#client.zrank(keys.users, before));
    if (before !== undefined && rank === null) return [];
    const end = rank === null ? -1 : rank - 1;
    if (end === -1 && rank !== null) return [];
    const start = rank === null ? -limit : Math.max(0, rank - limit);
    const users = await guard(this.#client.zrange(keys.users, String(start), String(end)));
    return (await this.getMany(users)).filter((profile) => profile !== undefined);
  }

  async listAfter(after: UserId | undefined, count: number): Promise<Profile[]> {
    const rank = after === undefined ? -1 : await guard(this.#client.zrank(keys.users, after));
    if (rank === null) return [];
    const users = await guard(this.#client.zrange(keys.users, String(rank + 1), String(rank + count)));
    return (await this.getMany(users)).filter((profile) => profile !== undefined);
  }

  async #write(user: UserId, mode: 'new' | 'any', ageS: number, pairs: string[]) {
    const answer = await guard(
      runScript(this.#client, scripts.ensureUser, [keys.user(user)], [mode, ageS, ...pairs]),
    );
    const [outcome, flat] = answer as [number, string[]];
    const fields: Record<string, string> = {};
    for (let i = 0; i < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
    return [outcome, fields] as const;
  }

  async #list(profile: Profile): Promise<void> {
    await guard(this.#client.zadd(keys.users, 'NX', String(profile.createdMs), profile.id));
  }

  #keep(profile: Profile, claims: string | undefined): Profile {
    this.#kept.delete(profile.id);
    if (this.#kept.size >= KEPT_PROFILES) this.#kept.delete(this.#kept.keys().next().value as UserId);
    this.#kept.set(profile.id, { profile, readAt: Date.now(), claims });
    return profile;
  }
}

function claimPairs(claims: ProfileClaims): string[] {
  return Object.entries(FIELDS).flatMap(([claim, field]) => {
    const value = claims[claim as keyof ProfileClaims];
    return value === undefined ? [] : [field, value];
  });
}

function recordPairs(claims: ProfileClaims, account: string | undefined): string[] {
  return [...claimPairs(claims), ...(account === undefined ? [] : [ACCOUNT, account])];
}

function decodeProfile(id: UserId, hash: Record<string, string>): Profile | undefined {
  if (hash.created === undefined) return undefined;
  return {
    id,
    email: hash.email ?? null,
    name: hash.name ?? null,
    firstName: hash.first ?? null,
    lastName: hash.last ?? null,
    picture: hash.picture ?? null,
    role: hash.role ?? null,
    username: hash.username ?? null,
    createdMs: Number(hash.created),
  };
}
