/** scripts/users import, run as an operator runs it. */

import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { formatUuid } from '../../src/core/ids.js';
import { type Body, type Person, startService } from '../helpers/conversations.js';
import { startProgram } from '../helpers/process.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/users', import.meta.url));
const RUN_MS = 60_000;

const service = await startService(t);
const dir = mkdtempSync(join(tmpdir(), 'parlance-users-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

interface Result {
  code: number | null;
  lines: string[];
}

async function run(args: string[], env: Record<string, string> = service.redis.env): Promise<Result> {
  const options = { cwd: dir, env: { PATH: process.env.PATH ?? '', ...env } };
  const program = startProgram(t, 'scripts/users', SCRIPT, args, options);
  const timer = setTimeout(() => program.proc.kill('SIGKILL'), RUN_MS);
  const code = await program.exited;
  clearTimeout(timer);
  await new Promise((resolve) => setImmediate(resolve));
  return { code, lines: program.logs() };
}

let files = 0;
function importText(text: string | Buffer): Promise<Result> {
  files += 1;
  const file = join(dir, `${files}.ndjson`);
  writeFileSync(file, text);
  return run(['import', file]);
}

const importLines = (...people: Body[]) =>
  importText(people.map((each) => `${JSON.stringify(each)}\n`).join(''));

async function profile(as: Person, id: string): Promise<Body> {
  const answer = await service.api('GET', `/api/users/${encodeURIComponent(id)}`, { as });
  return answer.status === 200 ? answer.body : {};
}

/** Waits until both nodes show this of a person: a node believes for a few seconds what it has read. */
function isShown(id: string, wanted: Body): Promise<unknown> {
  const both = async () => [await profile(viewer, id), await profile(viewer, id)];
  const is = (shown: Body) => Object.entries(wanted).every(([field, value]) => shown[field] === value);
  return until(`${id} is ${JSON.stringify(wanted)}`, async () => (await both()).every(is), 30_000);
}

const isCalled = (id: string, name: string) => isShown(id, { name });

const viewer = await service.person({ sub: 'viewer' });

t.test('people can be addressed and listed before they first connect', async (t) => {
  const result = await importLines(
    { id: 'ext|1', email: 'one@example.com', name: 'One', picture: 'https://e.com/1.png', role: 'Admin' },
    { id: 5001, given_name: 'Two', family_name: 'Too' },
    { id: '5002', preferred_username: 'three' },
  );
  t.same(result, { code: 0, lines: ['3 lines imported, 0 faulty'] });
  const wanted = [
    { user_id: 'ext|1', email: 'one@example.com', name: 'One', profile_picture: 'https://e.com/1.png' },
    { user_id: formatUuid('user', 5001), email: '', name: 'Two Too', profile_picture: null },
    { user_id: formatUuid('user', 5002), email: '', name: 'three', profile_picture: null },
  ];
  const list = (await service.api<Body[]>('GET', '/api/users/', { as: viewer })).body;
  for (const each of wanted) {
    t.same(await profile(viewer, each.user_id), each);
    t.same(
      list.filter(({ user_id }) => user_id === each.user_id),
      [each],
    );
  }
  const id = await service.conversation(viewer, { id: 'ext|1', token: '' });
  await service.say(viewer, id, 'welcome');
  const one = { id: 'ext|1', token: await mintToken({ sub: 'ext|1' }) };
  t.equal((await service.history(one, id)).body[0]?.message, 'welcome', 'it waits for them');
  t.same(await profile(one, 'ext|1'), wanted[0], 'a token that says nothing changes nothing');
  const made = await service.api('POST', '/api/auth/login', {
    body: { email: 'one@example.com', password: 'anything' },
  });
  t.equal(made.status, 401, 'nobody gets a password');
});

t.test('the same file again changes nothing; a changed one what it says', async (t) => {
  const people = [
    { id: 'again', email: 'again@example.com', name: 'Before' },
    { email: 'number@example.com', name: 'N' },
  ];
  const first = await importLines(...people);
  const user = /^line 2: user (\d+)$/.exec(first.lines[0] ?? '')?.[1] as string;
  t.ok(user, `the number that was given is told: ${first.lines}`);
  const before = (await service.api<Body[]>('GET', '/api/users/', { as: viewer })).body;
  t.same(await importLines(...people), { code: 0, lines: ['2 lines imported, 0 faulty'] });
  t.same((await service.api<Body[]>('GET', '/api/users/', { as: viewer })).body, before);
  t.equal((await importLines({ email: 'NUMBER@example.com', name: 'Number', id: null })).code, 0);
  await importLines({ id: 'again', name: 'After' }, { id: 'again', picture: 'https://e.com/a.png' });
  // Two lines are two changes: who shows the first one may not have heard of the other one yet.
  t.ok(await isShown('again', { name: 'After', profile_picture: 'https://e.com/a.png' }));
  t.same(await profile(viewer, 'again'), {
    user_id: 'again',
    email: 'again@example.com',
    name: 'After',
    profile_picture: 'https://e.com/a.png',
  });
  t.ok(await isCalled(user, 'Number'));
  t.equal((await service.api<Body[]>('GET', '/api/users/', { as: viewer })).body.length, before.length);
});

t.test('newer tokens go over an import, older ones do not', async (t) => {
  const now = Math.floor(Date.now() / 1000);
  await service.person({ sub: 'aged', name: 'Old token', iat: now - 1_000 });
  await importLines({ id: 'aged', name: 'Imported' });
  t.ok(await isCalled('aged', 'Imported'));
  await service.person({ sub: 'aged', name: 'Older token', iat: now - 500 });
  t.ok(await isCalled('aged', 'Imported'));
  await service.person({ sub: 'aged', name: 'New token', iat: now + 60 });
  t.ok(await isCalled('aged', 'New token'));
});

t.test('faulty lines are named and left out, the rest is imported', async (t) => {
  const lines = [
    '\ufeff{"id":"first"}\r',
    '',
    'not JSON',
    '["id"]',
    '{"name":"no id"}',
    '{"id":""}',
    '{"id":1.5}',
    '{"id":true}',
    `{"id":"${formatUuid('user', 7)}"}`,
    `{"id":"${'x'.repeat(256)}"}`,
    '{"id":"a","email":"no address"}',
    '{"id":"a","name":7}',
    '{"id":"a","name":"  "}',
    `{"id":"a","name":"${'x'.repeat(1001)}"}`,
    '{"id":"a","name":"\\ud800"}',
    '{"id":"a","given-name":"typo"}',
    `{"id":"${'x'.repeat(70_000)}"}`,
  ];
  const invalid = Buffer.from([...Buffer.from('{"id":"'), 0xff, ...Buffer.from('"}\n')]);
  const result = await importText(
    Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), invalid, Buffer.from('{"id":"last"}')]),
  );
  t.equal(result.code, 1);
  const faults = result.lines.filter((line) => /^line \d+: \S/.test(line));
  t.same(
    faults.map((line) => Number(/\d+/.exec(line)?.[0])),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
  );
  t.ok(result.lines.includes('2 lines imported, 16 faulty'), result.lines.join('\n'));
  t.notOk(result.lines.join('\n').includes('xxxxx'), 'no line is repeated');
  for (const id of ['first', 'last']) t.equal((await profile(viewer, id)).user_id, id);
  t.same(await profile(viewer, 'a'), {});
});

t.test('what cannot be imported at all is said in a sentence', async (t) => {
  const file = join(dir, 'one.ndjson');
  writeFileSync(file, '{"id":"x"}\n');
  const cases: [string[], Record<string, string>, RegExp][] = [
    [[], {}, /^Usage:/],
    [['export', file], {}, /^Usage:/],
    [['import', file, 'more'], {}, /^Usage:/],
    [['import', join(dir, 'none')], service.redis.env, /There is no file/],
    [['import', dir], service.redis.env, /There is no file/],
    [['import', file], {}, /REDIS_URL/],
    [['import', file], { REDIS_URL: 'http://x' }, /REDIS_URL must be/],
    [['import', file], { REDIS_URL: 'redis://127.0.0.1:1' }, /Redis does not do what it is asked/],
  ];
  for (const [args, env, words] of cases) {
    const { code, lines } = await run(args, env);
    t.equal(code, 1, args.join(' '));
    t.match(lines.join('\n'), words);
    t.notOk(
      lines.some((line) => /^\s+at /.test(line)),
      'no stack',
    );
  }
});

t.test('a large file takes little memory', async (t) => {
  const file = join(dir, 'large.ndjson');
  const out = createWriteStream(file);
  out.write(`{"id":"long","name":"${'y'.repeat(50_000_000)}"}\n`);
  for (let i = 0; i < 20_000; i += 1) out.write(`{"id":"bulk-${i}","name":"Person ${i}"}\n`);
  out.end();
  await finished(out);
  const result = await run(['import', file], {
    ...service.redis.env,
    NODE_OPTIONS: '--max-old-space-size=48',
  });
  // Sorted: faults and the sum come through pipes of their own.
  t.same(result.lines.sort(), ['20000 lines imported, 1 faulty', 'line 1: longer than 65536 bytes']);
  t.equal((await profile(viewer, 'bulk-19999')).name, 'Person 19999');
  let seen = 0;
  for (const { user_id } of (await service.api<Body[]>('GET', '/api/users/', { as: viewer })).body) {
    if (String(user_id).startsWith('bulk-')) seen += 1;
  }
  t.equal(seen, 20_000, 'and all of them are listed');
});
