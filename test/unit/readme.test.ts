/** The README says what is so: settings, close codes, files; and its first message is sent as printed. */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Setting } from '../../src/config/settings.js';
import { CONFIG } from '../../src/config/table.js';
import { CloseCode } from '../../src/core/errors.js';
import { startPair } from '../helpers/rooms.js';
import { until } from '../helpers/wait.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = readFileSync(`${ROOT}README.md`, 'utf8');

/** The cells of every table row that begins with something in backquotes or a number. */
const rows = README.split('\n')
  .filter((line) => /^\| (`|\d)/.test(line))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

t.test('every setting is listed, as the code has it', async (t) => {
  const settings: Setting<unknown>[] = Object.values(CONFIG);
  for (const { name, type, default: fallback, doc } of settings) {
    const row = rows.find(([first]) => first === `\`${name}\``);
    t.same(row, [`\`${name}\``, type, fallback === '' ? '' : `\`${fallback}\``, doc], name);
  }
  const listed = rows.flatMap(([name = '']) => /^`([A-Z0-9_]+)`$/.exec(name)?.[1] ?? []);
  t.same([...listed].sort(), settings.map(({ name }) => name).sort(), 'and none that is not there');
});

t.test('every close code is listed', async (t) => {
  const listed = rows.flatMap(([code = '']) => (/^[14]\d{3}$/.test(code) ? [Number(code)] : []));
  t.same(
    listed,
    Object.values(CloseCode).sort((a, b) => a - b),
  );
});

t.test('what it points to is there', async (t) => {
  for (const [, target = ''] of README.matchAll(/\]\(([^)]+)\)/g)) {
    if (!/^https?:|^#/.test(target)) t.ok(existsSync(ROOT + target), target);
  }
  for (const [script] of README.matchAll(/\bscripts\/[a-z]+\b/g)) t.ok(existsSync(ROOT + script), script);
});

t.test('the first message, as printed', async (t) => {
  const pair = await startPair(t);
  const [block] = README.split('## A first message')[1]?.match(/(?<=```sh\n)[\s\S]*?(?=```)/) ?? [];
  t.ok(block?.includes('curl'), 'there is one');
  const script = (block ?? '').replaceAll('127.0.0.1:8000', `127.0.0.1:${pair.next().port}`);
  const env = { PATH: process.env.PATH };
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd: ROOT, env, detached: true });
  // Its last command reads on for ever.
  t.teardown(() => {
    if (shell.exitCode === null) process.kill(-(shell.pid as number), 'SIGKILL');
  });
  let said = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (bytes) => (said += bytes));
  await until('the answer', () => said.includes('Hello, Ada!'), 20_000).catch(() => t.fail(said));
  t.match(said, '"content":"Hello, World!","type":"text"');
  t.match(said, '{"type":"history","messages":[{');
  t.match(said, '{"type":"text","id":');
  const [room] = (await pair.api<{ id: string; name: string }[]>('GET', '/rooms')).body;
  t.equal(room?.name, 'General');
  const stored = await pair.messages(room?.id ?? '');
  t.same(
    stored.map(({ user_id, content }) => [user_id, content]),
    [
      ['ada', 'Hello, World!'],
      ['grace', 'Hello, Ada!'],
    ],
  );
});
