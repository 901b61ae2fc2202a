import { randomBytes } from 'node:crypto';
import { checkEmail, emailKey, parseEmail } from './email.js';
import { ChatError } from './errors.js';
import { isWellFormed } from './ids.js';
import type { Profile } from './model.js';
import { checkName } from './people.js';
import type { AccountStore, AttemptStore, PasswordHasher } from './ports.js';

/** Fewest characters of a password, and most bytes of one: hashing takes longer with its length. */
export const MIN_PASSWORD_CHARACTERS = 8;
export const MAX_PASSWORD_BYTES = 1_000;

/** Failed logins within the window: for one account, and from one address, which an office may share. */
const WINDOW_MS = 5 * 60_000;
const MAX_PER_ACCOUNT = 10;
const MAX_PER_ADDRESS = 100;

/** What came with a request; unchecked. */
export interface Registration {
  readonly email: unknown;
  readonly password: unknown;
  readonly name?: unknown;
}

/**
 * Accounts that are made here, with e-mail and password. Only registering puts an e-mail into the login index; what a
 * token says of an e-mail never finds an account.
 */
export class Accounts {
  readonly #store: AccountStore;
  readonly #attempts: AttemptStore;
  readonly #hasher: PasswordHasher;
  /** The hash of a password that nobody knows: verified where there is no account, so that it takes as long. */
  readonly #dummy: Promise<string>;

  constructor(store: AccountStore, attempts: AttemptStore, hasher: PasswordHasher) {
    this.#store = store;
    this.#attempts = attempts;
    this.#hasher = hasher;
    this.#dummy = hasher.hash(randomBytes(32).toString('base64'));
    this.#dummy.catch(() => undefined); // every login hears of it
  }

  /**
   * A new user with an account. Of several with the same e-mail, whatever its case, one wins.
   * @throws ChatError bad_request; conflict when the e-mail is taken; unavailable
   */
  async register(input: Registration): Promise<Profile> {
    const email = checkEmail(input.email);
    const password = checkPassword(input.password);
    const name = input.name === undefined || input.name === null ? undefined : checkName(input.name, 'name');
    const key = emailKey(email);
    // Most repeats end here, before the work of hashing; a race is decided by the store.
    if (await this.#store.find(key)) throw taken();
    const hash = await this.#hasher.hash(password);
    const claims = { email, ...(name === undefined ? {} : { name }) };
    const profile = await this.#store.create(key, hash, claims);
    if (!profile) throw taken();
    return profile;
  }

  /**
   * The user whose e-mail and password these are. `address` is where the request comes from.
   * @throws ChatError unauthorized, in the same words and after the same work whether or not there is such an account;
   *   rate_limited after too many failures; unavailable
   */
  async login(input: Pick<Registration, 'email' | 'password'>, address: string): Promise<Profile> {
    const password = normalised(input.password);
    if (password === undefined) throw wrong(); // nobody's: known without a look at the account
    const email = parseEmail(input.email);
    const key = email === undefined ? undefined : emailKey(email);
    const limits = [{ subject: `address:${address}`, max: MAX_PER_ADDRESS }];
    if (key !== undefined) limits.push({ subject: `account:${key}`, max: MAX_PER_ACCOUNT });
    // Counted before it is known how it ends: a thousand guesses at once are a thousand guesses.
    for (const { subject, max } of limits) await this.#count(subject, max);
    let failed = false;
    try {
      const profile = await this.#verified(key, password);
      failed = profile === undefined;
      if (profile) return profile;
    } finally {
      if (!failed) await this.#forget(limits.map(({ subject }) => subject));
    }
    throw wrong();
  }

  /** The account's user when the password is right. One password is verified in any case. */
  async #verified(key: string | undefined, password: string): Promise<Profile | undefined> {
    const dummy = await this.#dummy;
    const account = key === undefined ? undefined : await this.#store.find(key);
    const right = await this.#hasher.verify(account?.hash ?? dummy, password);
    if (!right || !account || key === undefined) return undefined;
    return this.#store.open(account.user, key);
  }

  async #count(subject: string, max: number): Promise<void> {
    const waitMs = await this.#attempts.take(subject, max, WINDOW_MS);
    if (waitMs === 0) return;
    throw new ChatError('rate_limited', 'too many failed logins; try again later', {
      retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)),
    });
  }

  async #forget(subjects: readonly string[]): Promise<void> {
    const undone = subjects.map((subject) => this.#attempts.giveBack(subject));
    await Promise.all(undone).catch(() => undefined); // it counts as failed then, until the window ends
  }
}

/**
 * Checks a new password, and writes it in the one form in which it is hashed.
 * @throws ChatError bad_request, naming `password`
 */
function checkPassword(value: unknown): string {
  const password = normalised(value);
  if (password === undefined) {
    throw new ChatError('bad_request', `password must be text of at most ${MAX_PASSWORD_BYTES} bytes`, {
      field: 'password',
    });
  }
  if ([...password].length < MIN_PASSWORD_CHARACTERS) {
    throw new ChatError('bad_request', `password must have at least ${MIN_PASSWORD_CHARACTERS} characters`, {
      field: 'password',
    });
  }
  return password;
}

/** Keyboards write the same character in several ways (NIST SP 800-63B, section 5.1.1.2). Undefined: nobody's password. */
function normalised(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_PASSWORD_BYTES || !isWellFormed(value))
    return undefined;
  const password = value.normalize('NFKC');
  return Buffer.byteLength(password) > MAX_PASSWORD_BYTES ? undefined : password;
}

function taken(): ChatError {
  return new ChatError('conflict', 'this e-mail is registered already', { field: 'email' });
}

function wrong(): ChatError {
  return new ChatError('unauthorized', 'the e-mail or the password is wrong');
}
