/** scripts/loadtest against a real node: what it counts, what it finds, and its exit code. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startNode } from '../helpers/node.js';
import { startRedis } from '../helpers/redis.js';
import { TEST_SECRET } from '../helpers/token.js';

const SCRIPT = new URL('../../scripts/loadtest.mjs', import.meta.url).pathname;
const BOOK = new URL('../../scripts/lib/loadtest/book.mjs', import.meta.url).pathname;

interface Result {
  sent: number;
  acknowledged: number;
  received: number;
  lost: number;
  duplicated: number;
  reordered: number;
  deliveryMs: { p99: number };
  histogram: { upToMs: number; count: number }[];
}

async function run(t: Test, args: string[], env: Record<string, string> = {}) {
  const json = join(t.testdir(), 'result.json');
  const child = spawn(process.execPath, [SCRIPT, '--json', json, ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += bytes));
  // Not its exit, which comes before the last that it has said.
  const code = await new Promise((resolve) => child.once('close', resolve));
  const result = () => JSON.parse(readFileSync(json, 'utf8')) as Result;
  return { code, said, result };
}

const redis = await startRedis(t);
const node = await startNode(t, { REDIS_URL: redis.url });
const at = ['--url', node.url];
const small = ['--users', '6', '--rooms', '2', '--rate', '20', '--ramp', '0', '--duration', '2'];

for (const dialect of ['rooms', 'mixed']) {
  t.test(`${dialect}: all that is sent arrives, and is counted`, async (t) => {
    const env: Record<string, string> = dialect === 'mixed' ? { JWT_SECRET: TEST_SECRET } : {};
    const { code, said, result } = await run(t, [...at, ...small, '--dialect', dialect], env);
    t.equal(code, 0, said);
    const { sent, acknowledged, received, lost, duplicated, reordered, histogram } = result();
    t.ok(sent >= 20, `${sent} sent`);
    t.equal(acknowledged, sent);
    t.same([lost, duplicated, reordered], [0, 0, 0]);
    // In rooms each of three gets each message; of two, one may be a client that draws its own.
    t.ok(
      dialect === 'rooms' ? received === 3 * sent : received >= sent && received <= 2 * sent,
      `${received}`,
    );
    t.equal(
      histogram.reduce((sum, { count }) => sum + count, 0),
      received,
    );
    t.match(said, /lost 0, duplicated 0, out of order 0/);
  });
}

t.test('thresholds, and what cannot begin', async (t) => {
  const slow = await run(t, [...at, ...small, '--max-p99', '0']);
  t.equal(slow.code, 1);
  t.match(slow.said, /p99 is [\d.]+ ms; 0 are allowed/);
  const nobody = await run(t, ['--url', 'http://127.0.0.1:1', ...small]);
  t.equal(nobody.code, 1);
  t.match(nobody.said, /ECONNREFUSED/);
  for (const [args, words] of [
    [['--dialect', 'none'], /--dialect is one of/],
    [['--users', 'many'], /--users must be a number/],
    [['--url', 'ftp://x'], /--url must be an http or https address/],
    [['--wrong'], /--help says more/],
  ] as const) {
    const { code, said } = await run(t, [...args]);
    t.equal(code, 1);
    t.match(said, words);
  }
});

t.test('what is lost, doubled or out of order is found', async (t) => {
  const { compare } = (await import(BOOK)) as {
    compare: (places: unknown[], sentTo: Map<unknown, unknown>) => Record<string, number>;
  };
  const reader = (user: string, offsets: number[], echoes = true) => ({
    user,
    speech: { echoes },
    track: () => ({ offsets }),
  });
  // Messages 1 to 3 of room 0 have the ids 1, 4 and 9.
  const sent = [1, 4, 9].map((ackId) => ({ ackedAt: 1, ackId, from: 'ada' }));
  const check = (members: unknown[]) => {
    const place = { room: 0, members };
    return compare([place], new Map(sent.map((entry) => [entry, place])));
  };
  const whole = { lost: 0, duplicated: 0, reordered: 0 };
  t.same(check([reader('ada', [1, 2, 3]), reader('bob', [1, 2, 3])]), whole);
  t.same(
    check([reader('ada', [], false), reader('bob', [1, 2, 3])]),
    whole,
    'who draws their own needs none',
  );
  t.same(check([reader('ada', [1, 2, 3]), reader('bob', [1, 3])]), { ...whole, lost: 1 });
  t.same(check([reader('ada', [1, 2, 3]), reader('bob', [1, 2, 2, 3])]), { ...whole, duplicated: 1 });
  t.same(check([reader('ada', [1, 2, 3]), reader('bob', [1, 3, 2])]), { ...whole, reordered: 1 });
});
