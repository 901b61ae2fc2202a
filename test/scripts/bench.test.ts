/** scripts/bench, run as a developer runs it: what it counts and writes, not how fast anything is. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startProgram } from '../helpers/process.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/bench', import.meta.url));
const RUN_MS = 120_000;
const skip = process.platform === 'linux' ? false : 'it reads /proc';

interface Figures {
  cpu: number;
  sent: number;
  expected: number;
  received: number;
  rounds: number[];
  [name: string]: unknown;
}
interface Results {
  version: number;
  machine: { node: string; packages: Record<string, string> };
  options: Record<string, unknown>;
  live: Record<string, Record<string, Figures>>;
  faults: string[];
}

const dir = mkdtempSync(join(tmpdir(), 'parlance-bench-test-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
const history = join(dir, 'history.ndjson');
const json = join(dir, 'results.json');

async function run(...args: string[]): Promise<{ code: number | null; text: string }> {
  const options = { cwd: dir, env: { PATH: process.env.PATH ?? '' } };
  const program = startProgram(t, 'scripts/bench', SCRIPT, args, options);
  const timer = setTimeout(() => program.proc.kill('SIGTERM'), RUN_MS);
  const code = await program.exited;
  clearTimeout(timer);
  await new Promise((resolve) => setImmediate(resolve));
  return { code, text: program.logs().join('\n') };
}

const results = (text: string) => JSON.parse(text) as Results;

t.test(
  'two systems under one load: counts, JSON, and what changed since the last run',
  { skip },
  async (t) => {
    const before = {
      version: 2,
      at: 'yesterday',
      machine: { commit: 'abc1234' },
      options: { size: 0.05, quick: true },
      live: { pairs: { parlance: { cpu: 12_345, perSecond: 1, p99: 1 } } },
    };
    const larger = { ...before, at: 'today', options: { size: 1, quick: true } };
    const otherwise = { ...before, version: 1, at: 'today' };
    writeFileSync(history, [before, larger, otherwise].map((run) => `${JSON.stringify(run)}\n`).join(''));
    const what = [
      '--workloads',
      'pairs',
      '--systems',
      'socketio,parlance',
      '--seconds',
      '0.5',
      '--size',
      '0.05',
    ];
    const { code, text } = await run('--quick', '--compare', '--history', history, '--json', json, ...what);
    t.equal(code, 0, text);

    const { version, machine, options, live, faults } = results(readFileSync(json, 'utf8'));
    t.equal(version, 2);
    t.equal(machine.node, process.version);
    t.match(machine.packages, { 'socket.io': /^4\./, ws: /^8\./ });
    t.same(options, { rounds: 1, seconds: 0.5, size: 0.05, quick: true });
    t.same(faults, []);
    t.same(Object.keys(live), ['pairs']);
    t.same(Object.keys(live.pairs ?? {}), ['parlance', 'socketio']);
    for (const [system, figures] of Object.entries(live.pairs ?? {})) {
      t.ok(figures.sent > 0, `${system} was sent something`);
      t.equal(figures.expected, figures.sent * 2, 'both members of a pair are to get each message');
      t.equal(figures.received, figures.expected, system);
      t.equal(figures.rounds.length, 1, system);
      const measured = ['cpu', 'nodesCpu', 'redisCpu', 'perSecond', 'p50', 'p99', 'p999', 'clientCpu'];
      for (const name of measured) t.ok(Number.isFinite(figures[name]), `${system}: ${name}`);
      t.ok(figures.cpu > 0, system);
    }

    t.match(
      text,
      /\| pairs \| [\d.]+ times the deliveries of a CPU second \| at least 2\.5 \| (met|MISSED) \|/,
    );
    t.match(
      text,
      /Since yesterday.*\| pairs, parlance: CPU s\/100k \| 12345 \| [\d.]+ \| -\d/s,
      'compared with the last run of this size and kind',
    );
    const lines = readFileSync(history, 'utf8').trimEnd().split('\n');
    t.equal(lines.length, 4, 'the run was added to the history');
    t.same(results(lines[3] ?? '').live, live);
  },
);

t.test('what does not exist is refused before anything is started', { skip }, async (t) => {
  for (const args of [
    ['--workloads', 'pairs,nothing'],
    ['--rounds', '0'],
    ['--sytems', 'ws'],
  ]) {
    const { code, text } = await run(...args);
    t.equal(code, 1, args.join(' '));
    t.notMatch(text, /round 1/, args.join(' '));
  }
});
