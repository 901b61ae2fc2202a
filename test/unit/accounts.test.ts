import t from 'tap';
import { Accounts } from '../../src/core/accounts.js';
import { ChatError } from '../../src/core/errors.js';
import { bareProfile } from '../../src/core/model.js';
import type { AccountStore, AttemptStore, PasswordHasher } from '../../src/core/ports.js';
import { createPasswordHasher } from '../../src/http/passwords.js';

const PASSWORD = 'correct horse';

/** A hasher that writes down what it is asked; a store and attempts in memory. */
function parts() {
  const verified: { hash: string; password: string }[] = [];
  const steps: string[] = [];
  const hasher: PasswordHasher = {
    hash: async (password) => `hash of ${password}`,
    verify: async (hash, password) => {
      verified.push({ hash, password });
      steps.push('verify');
      return hash === `hash of ${password}`;
    },
  };
  const records = new Map<string, { user: string; hash: string }>();
  const store: AccountStore = {
    find: async (email) => {
      steps.push('find');
      return records.get(email);
    },
    create: async (email, hash, claims) => {
      if (records.has(email)) return undefined;
      records.set(email, { user: String(records.size + 1), hash });
      return { ...bareProfile(String(records.size)), email: claims.email ?? null };
    },
    open: async (user, email) => ({ ...bareProfile(user), email }),
  };
  const taken = new Map<string, number>();
  const attempts: AttemptStore = {
    take: async (subject, max) => {
      steps.push('take');
      const made = taken.get(subject) ?? 0;
      if (made >= max) return 1_500;
      taken.set(subject, made + 1);
      return 0;
    },
    giveBack: async (subject) => void taken.set(subject, (taken.get(subject) ?? 0) - 1),
  };
  return { verified, steps, store, attempts, taken, hasher };
}

t.test('one hash is verified, whether or not there is an account', async (t) => {
  const { store, attempts, hasher, verified, steps } = parts();
  const accounts = new Accounts(store, attempts, hasher);
  await accounts.register({ email: 'Ada@example.com', password: PASSWORD });
  const failures: { words: string; code: string; steps: string[] }[] = [];
  for (const email of ['ada@example.com', 'nobody@example.com']) {
    verified.length = 0;
    steps.length = 0;
    const error = (await accounts
      .login({ email, password: 'wrong horse' }, 'a')
      .catch((e) => e)) as ChatError;
    t.equal(verified.length, 1, email);
    t.equal(verified[0]?.password, 'wrong horse');
    failures.push({ words: error.message, code: error.code, steps: [...steps] });
  }
  t.same(failures[1], failures[0], 'the same words after the same steps');
  t.match(verified[0]?.hash, /^hash of .{40,}$/, 'the hash of a password that nobody knows');
  t.not(verified[0]?.hash, `hash of ${PASSWORD}`);
  verified.length = 0;
  await t.rejects(accounts.login({ email: 'no address', password: 'wrong horse' }, 'a'), {
    code: 'unauthorized',
  });
  t.equal(verified.length, 1, 'what is no address takes as long');
});

t.test('an attempt counts before it is known to fail, and no more once it has succeeded', async (t) => {
  const { store, attempts, hasher, taken } = parts();
  const accounts = new Accounts(store, attempts, hasher);
  await accounts.register({ email: 'a@example.com', password: PASSWORD });
  const login = (password: string) => accounts.login({ email: 'A@EXAMPLE.com', password }, '192.0.2.1');
  const counts = () => [taken.get('account:a@example.com') ?? 0, taken.get('address:192.0.2.1') ?? 0];
  await login(PASSWORD);
  t.same(counts(), [0, 0]);
  for (let i = 0; i < 10; i += 1) await t.rejects(login('wrong horse'), { code: 'unauthorized' });
  t.same(counts(), [10, 10]);
  await t.rejects(login(PASSWORD), { code: 'rate_limited', retryAfterS: 2 });
});

t.test('an attempt that nobody could judge does not count', async (t) => {
  const { store, attempts, hasher, taken } = parts();
  const busy = new ChatError('unavailable', 'busy');
  const accounts = new Accounts(store, attempts, { ...hasher, verify: () => Promise.reject(busy) });
  await t.rejects(accounts.login({ email: 'a@example.com', password: PASSWORD }, 'x'), busy);
  t.same([...taken.values()], [0, 0]);
});

t.test('a few passwords at once, some wait, more are turned away', async (t) => {
  const hasher = createPasswordHasher(2, 3);
  const all = await Promise.allSettled(Array.from({ length: 8 }, () => hasher.hash(PASSWORD)));
  const done = all.filter((each) => each.status === 'fulfilled').map((each) => each.value);
  const refused = all.filter((each) => each.status === 'rejected').map((each) => each.reason as ChatError);
  t.equal(done.length, 5, 'two at work and three waiting');
  t.ok(refused.every(({ code, retryAfterS }) => code === 'unavailable' && retryAfterS === 1));
  t.equal(new Set(done).size, 5, 'salted');
  for (const hash of done) t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.equal(await hasher.verify(done[0] as string, PASSWORD), true, 'and there is room again');
  t.equal(await hasher.verify(done[0] as string, 'wrong horse'), false);
});
