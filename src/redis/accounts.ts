import type { ProfileClaims } from '../core/identity.js';
import type { UserId } from '../core/ids.js';
import type { Profile } from '../core/model.js';
import type { AccountStore, AttemptStore } from '../core/ports.js';
import { type Client, guard } from './connection.js';
import { keys } from './keys.js';
import { runScript, scripts } from './scripts.js';
import type { RedisUsers } from './users.js';
import type { Writes } from './writes.js';

/**
 * The login index: one string per e-mail, the user's number and the password's hash. The one write that makes it also
 * claims it. Hashes of passwords are nowhere else: profiles are read without them.
 */
export class RedisAccounts implements AccountStore {
  readonly #client: Client;
  readonly #users: RedisUsers;
  readonly #writes: Writes;

  /** `client`: with role `commands`. */
  constructor(client: Client, users: RedisUsers, writes: Writes) {
    this.#client = client;
    this.#users = users;
    this.#writes = writes;
  }

  async find(email: string): Promise<{ user: UserId; hash: string } | undefined> {
    const record = await guard(this.#client.get(keys.emailIndex(email)));
    if (record === null) return undefined;
    const space = record.indexOf(' ');
    return { user: record.slice(0, space), hash: record.slice(space + 1) };
  }

  // The user first, then the claim, then the listing. A crash after the first step leaves a user whom nobody knows of, and
  // the e-mail free; after the second an account that works, and whose user is listed at their first request.
  async create(email: string, hash: string, claims: ProfileClaims): Promise<Profile | undefined> {
    const profile = await this.#users.createUnlisted(claims, email);
    const record = `${profile.id} ${hash}`;
    const index = keys.emailIndex(email);
    // The one write that has to last: it makes the user anew where that was lost.
    const winner = await this.#writes.write(index, (redis) => redis.set(index, record, 'NX', 'GET'));
    // Its own record: the client library repeated the command after a lost answer.
    if (winner === null || winner === record) return this.#users.enlist(profile);
    await this.#users.discard(profile.id);
    return undefined;
  }

  async open(user: UserId, email: string): Promise<Profile | undefined> {
    // A fail-over of the user's primary alone may have lost the user: then the claim makes them anew. If the counter
    // was lost too, somebody else may have the number: that is not this account's user.
    const owner = (await this.#users.accountOf(user)) ?? (await this.#users.restore(user, { email }, email));
    return owner === email ? this.#users.ensure(user, {}, undefined) : undefined;
  }
}

/** Attempts as counters that expire. */
export class RedisAttempts implements AttemptStore {
  readonly #client: Client;

  /** `client`: with role `commands`. */
  constructor(client: Client) {
    this.#client = client;
  }

  async take(subject: string, max: number, windowMs: number): Promise<number> {
    const touched = [keys.attempts(subject)];
    return (await guard(runScript(this.#client, scripts.takeAttempt, touched, [max, windowMs]))) as number;
  }

  async giveBack(subject: string): Promise<void> {
    await guard(runScript(this.#client, scripts.returnAttempt, [keys.attempts(subject)], []));
  }
}
