/** Failed logins are limited per account and per address, over all nodes. */

import t from 'tap';
import { isError, mailOf, type Service, startService } from '../helpers/conversations.js';

const PASSWORD = 'correct horse';
const MAX_PER_ACCOUNT = 10;
const MAX_PER_ADDRESS = 100;

async function failures(service: Service, email: string, times: number): Promise<number[]> {
  const tries = Array.from({ length: times }, () =>
    service.api('POST', '/api/auth/login', { body: { email, password: 'wrong horse' } }),
  );
  return (await Promise.all(tries)).map((answer) => answer.status);
}

t.test('ten failures for one e-mail, known or not, then 429', async (t) => {
  const service = await startService(t);
  const known = mailOf('known');
  await service.api('POST', '/api/auth/register', { body: { email: known, password: PASSWORD } });
  const login = (email: string) =>
    service.api('POST', '/api/auth/login', { body: { email, password: PASSWORD } });

  const good = await Promise.all(Array.from({ length: 8 }, () => login(known)));
  t.ok(
    good.every((answer) => answer.status === 200),
    'logins that succeed',
  );
  t.ok(
    (await Promise.all(Array.from({ length: 8 }, () => login(known)))).every(({ status }) => status === 200),
    'do not count',
  );

  for (const email of [known, mailOf('unknown')]) {
    const statuses = await failures(service, email, 15);
    t.equal(
      statuses.filter((status) => status === 401).length,
      MAX_PER_ACCOUNT,
      'also when all come at once',
    );
    t.equal(statuses.filter((status) => status === 429).length, 5);
    for (const spelling of [email, email.toUpperCase()]) {
      const answer = await login(spelling);
      isError(t, answer, 429, 'the right password too, in any case');
      const after = Number(answer.headers.get('retry-after'));
      t.ok(Number.isInteger(after) && after > 0 && after <= 300, `Retry-After ${after}`);
    }
  }
  const other = mailOf('other');
  await service.api('POST', '/api/auth/register', { body: { email: other, password: PASSWORD } });
  t.equal((await login(other)).status, 200, 'other accounts are free');
});

t.test('a hundred failures from one address, then 429; other addresses go on', async (t) => {
  const service = await startService(t, { TRUST_PROXY: 'true' });
  const email = mailOf('innocent');
  await service.api('POST', '/api/auth/register', { body: { email, password: PASSWORD } });
  const from = (address: string, body: unknown) =>
    service.api('POST', '/api/auth/login', { body, headers: { 'x-forwarded-for': address } });
  const guesses = { first: [] as number[] };
  for (let i = 0; i < MAX_PER_ADDRESS + 5; i += 5) {
    const some = [0, 1, 2, 3, 4].map((j) =>
      from('192.0.2.1', { email: `x${i + j}@example.com`, password: 'wrong horse' }),
    );
    guesses.first.push(...(await Promise.all(some)).map((answer) => answer.status));
  }
  t.equal(guesses.first.filter((status) => status === 401).length, MAX_PER_ADDRESS);
  t.equal(guesses.first.filter((status) => status === 429).length, 5);
  isError(t, await from('192.0.2.1', { email, password: PASSWORD }), 429, 'this address');
  t.equal((await from('192.0.2.2', { email, password: PASSWORD })).status, 200, 'another one');
});
