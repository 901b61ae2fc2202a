/** The login index and the numbers of local users, against a real Redis: crashes at every step, races, takings. */

import t from 'tap';
import { RedisAccounts, RedisAttempts } from '../../src/redis/accounts.js';
import { keys } from '../../src/redis/keys.js';
import { RedisTickets } from '../../src/redis/tickets.js';
import { RedisUsers } from '../../src/redis/users.js';
import { plainWrites } from '../../src/redis/writes.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const server = await startAnyRedis(t);
const redis = clientOf(t, server);

/** A node of its own, as far as accounts go. `failsAt`: the number of the write at which it dies; it sees no answer. */
function node(failsAt = Number.POSITIVE_INFINITY, executed = false) {
  let writes = 0;
  const client = new Proxy(redis, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      const call = value as (...args: unknown[]) => unknown;
      if (!['evalsha', 'set', 'zadd', 'incrby', 'del'].includes(String(name))) return call.bind(target);
      return async (...args: unknown[]) => {
        writes += 1;
        if (writes < failsAt) return call.apply(target, args);
        if (writes === failsAt && executed) await call.apply(target, args);
        throw new Error('the node died');
      };
    },
  });
  const users = new RedisUsers(client);
  return { users, accounts: new RedisAccounts(client, users, plainWrites(client)), writes: () => writes };
}

t.test('a node that dies at any step leaves the e-mail free, or an account that works', async (t) => {
  const healthy = node();
  await healthy.accounts.create('warm@example.com', 'h', {}); // the scripts are known from here on
  const { writes, accounts } = node();
  await accounts.create('whole@example.com', 'h', {});
  const steps = writes();
  t.equal(steps, 4, 'number, user, claim, listing');
  for (let step = 1; step <= steps; step += 1) {
    for (const executed of [false, true]) {
      const email = `step${step}${executed}@example.com`;
      await t.rejects(node(step, executed).accounts.create(email, 'first', { email }), {
        code: 'unavailable',
      });
      const { accounts: other, users } = node();
      const found = await other.find(email);
      const claimed = step > 3 || (step === 3 && executed);
      t.equal(found !== undefined, claimed, email);
      if (!found) {
        const made = await other.create(email, 'second', { email });
        t.ok(made, 'the e-mail is free');
        t.same(await other.find(email), { user: made?.id, hash: 'second' });
        continue;
      }
      t.equal(await other.create(email, 'second', { email }), undefined, 'the e-mail is taken');
      t.same(await other.find(email), found, 'and stays with who has it');
      const opened = await other.open(found.user, email);
      t.equal(opened?.id, found.user);
      t.equal(opened?.email, email);
      const listed = (await users.list(1_000, undefined)).map((profile) => profile.id);
      t.ok(listed.includes(found.user), 'and the account works, and is listed');
    }
  }
});

t.test('a claim that was repeated by the client library is its own', async (t) => {
  const twice = new Proxy(redis, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function') return value;
      const call = (value as (...args: unknown[]) => unknown).bind(target);
      if (name !== 'set') return call;
      return async (...args: unknown[]) => {
        await call(...args);
        return call(...args);
      };
    },
  });
  const accounts = new RedisAccounts(twice, new RedisUsers(twice), plainWrites(twice));
  const made = await accounts.create('twice@example.com', 'h', {});
  t.ok(made);
  t.equal((await accounts.find('twice@example.com'))?.user, made?.id);
});

t.test("a number that is somebody else's by now opens no account", async (t) => {
  const { accounts, users } = node();
  const made = await accounts.create('lost@example.com', 'h', { email: 'lost@example.com' });
  const user = made?.id as string;
  await redis.del(keys.user(user)); // a fail-over lost the user
  t.equal((await node().accounts.open(user, 'lost@example.com'))?.email, 'lost@example.com', 'made anew');
  await redis.del(keys.user(user));
  await redis.set(keys.userCounter, Number(user) - 1); // and the counter
  const other = await node().accounts.create('other@example.com', 'h', {});
  t.equal(other?.id, user, 'the number was given out again');
  t.equal(await accounts.open(user, 'lost@example.com'), undefined);
  t.equal((await accounts.open(user, 'other@example.com'))?.id, user);
  t.ok(await users.get(user));
});

t.test('numbers that are taken are passed in a few steps', async (t) => {
  const { users } = node();
  const from = Number(await redis.get(keys.userCounter)) + 1;
  const taken = 20_000;
  for (let i = 0; i < taken; i += 1_000) {
    const some = Array.from({ length: 1_000 }, (_, j) => users.ensure(String(from + i + j), {}, 0));
    await Promise.all(some);
  }
  const many = node();
  const made = await many.users.createLocal({ name: 'new' });
  t.ok(Number(made.id) >= from + taken, 'past all of them');
  t.ok(Number(made.id) < from + 4 * taken, 'and not much further');
  t.ok(many.writes() < 50, `${many.writes()} writes`);
  t.equal((await many.users.createLocal({})).id, String(Number(made.id) + 1), 'from there on by one');
});

t.test('attempts count up to a limit, and are free when the window ends', async (t) => {
  const attempts = new RedisAttempts(redis);
  const windowMs = 60_000;
  const taken = await Promise.all(Array.from({ length: 8 }, () => attempts.take('a:b', 3, windowMs)));
  t.equal(taken.filter((wait) => wait === 0).length, 3);
  t.ok(taken.every((wait) => wait <= windowMs));
  t.equal(await attempts.take('a', 3, windowMs), 0, 'another subject');
  await attempts.giveBack('a:b');
  t.equal(await attempts.take('a:b', 3, windowMs), 0, 'one that was given back');
  t.ok((await attempts.take('a:b', 3, windowMs)) > 0);
  await redis.del(keys.attempts('a:b'));

  const start = performance.now();
  t.equal(await attempts.take('a:b', 1, 400), 0);
  // The window began with that attempt, and each one that is refused says how much of it is left at most.
  const wait = async () => {
    const left = await attempts.take('a:b', 1, windowMs);
    t.ok(left <= 400, `${left} ms`);
    return left;
  };
  await until('the window ends', async () => (await wait()) === 0, 15_000);
  t.ok(performance.now() - start >= 390, 'not before');
  await attempts.giveBack('a:b');
  await attempts.giveBack('a:b');
  t.equal(await redis.exists(keys.attempts('a:b')), 0, 'nothing is left, and never less than none');
});

t.test('a ticket is taken once', async (t) => {
  const tickets = new RedisTickets(redis);
  for (const grant of [
    { user: 'a', room: 7, expiresAt: 123_456 },
    { user: 'x:y|z', room: 1, expiresAt: undefined },
  ]) {
    const ticket = await tickets.issue(grant);
    t.match(ticket, /^[A-Za-z0-9_-]{43}$/, '256 bits');
    const taken = await Promise.all([tickets.redeem(ticket), tickets.redeem(ticket), tickets.redeem(ticket)]);
    t.same(
      taken.filter((each) => each !== undefined),
      [JSON.parse(JSON.stringify(grant))],
    );
  }
});
