/** The image: each step of the Dockerfile by itself, and the whole where it can be built and run. */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { createRoom, post } from '../helpers/chat.js';
import { isReady } from '../helpers/node.js';
import { startProgram } from '../helpers/process.js';
import { startRedis } from '../helpers/redis.js';
import { open } from '../helpers/socket.js';
import { TEST_SECRET } from '../helpers/token.js';
import { freePort, until, within } from '../helpers/wait.js';

const ROOT = new URL('../../', import.meta.url).pathname;
const BASE = 'node:24-bookworm-slim';
/** How long a build may take, in ms. */
const BUILD_MS = 900_000;
const TAG = 'localhost/parlance:test';

interface Step {
  readonly name: string;
  readonly rest: string;
}

/** The instructions of the Dockerfile, stage by stage. */
function stages(): Step[][] {
  const text = readFileSync(`${ROOT}Dockerfile`, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ');
  const found: Step[][] = [];
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') found.push([]);
    found.at(-1)?.push({ name, rest });
  }
  return found;
}

const all = stages();
const last = all.at(-1) ?? [];
const one = (name: string) => last.filter((step) => step.name === name).map(({ rest }) => rest);

/** What `COPY` takes from the checkout, in all stages or in the last. */
const copied = (steps: readonly Step[]) =>
  steps
    .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'))
    .map(({ rest }) => ({ from: rest.split(/\s+/).slice(0, -1), to: rest.split(/\s+/).at(-1) as string }));

t.test('what it begins with, and how it is started', async (t) => {
  const froms = all.map(([from]) => from?.rest.split(' ')[0]);
  t.same([...new Set(froms)].sort(), ['base', BASE].sort());
  const user = one('USER').at(-1) ?? '';
  t.match(user, /^[1-9]\d*:[1-9]\d*$/, 'not root, told by number');
  const command = JSON.parse(one('CMD').at(-1) ?? '[]') as string[];
  t.equal(command[0], 'node', 'node itself is the first process, no npm and no shell');
  t.equal(command.at(-1), 'dist/main.js');
  t.same(one('ENTRYPOINT'), []);
  const check = JSON.parse(/CMD (.*)$/.exec(one('HEALTHCHECK')[0] ?? '')?.[1] ?? '[]') as string[];
  t.equal(check[0], 'node');
  const runs = all.flat().filter(({ name }) => name === 'RUN');
  for (const { rest } of runs.filter(({ rest }) => rest.includes('npm ci')))
    t.match(rest, '--ignore-scripts');
  t.ok(
    runs.some(({ rest }) => rest.startsWith('npm prune --omit=dev')),
    'packages of production, as the lock file has them',
  );
  t.notOk(
    last.some(({ name }) => name === 'RUN'),
    'the last stage only takes what the others made',
  );

  // The health check, against something that answers and something that does not.
  const [file = '', ...args] = check;
  const port = String(await freePort());
  const dead = spawnSync(file, args, { env: { PATH: process.env.PATH, PORT: port }, timeout: 60_000 });
  t.equal(dead.status, 1, 'nobody there');
});

t.test('what is copied is there, is not ignored, and is enough', async (t) => {
  const ignore = readFileSync(`${ROOT}.dockerignore`, 'utf8')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  t.equal(ignore[0], '*', 'nothing gets in that is not named: no .env, no .git, no data');
  const allowed = ignore.slice(1).map((line) => line.replace(/^!/, ''));
  const dir = mkdtempSync(join(tmpdir(), 'parlance-image-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const sources = copied(all.flat()).flatMap(({ from }) => from);
  for (const source of sources) {
    t.ok(existsSync(ROOT + source), `${source} is there`);
    t.ok(allowed.includes(source), `${source} is not ignored`);
  }
  t.same(
    allowed.filter((source) => !sources.includes(source)),
    [],
    'and nothing else is let in',
  );
  for (const { from, to } of copied(last)) {
    for (const source of from) {
      const name = source.split('/').at(-1) as string;
      const target = join(dir, to.endsWith('/') ? join(to, name) : to);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(ROOT + source, target, { recursive: true });
    }
  }
  cpSync(`${ROOT}dist`, join(dir, 'dist'), { recursive: true });
  symlinkSync(`${ROOT}node_modules`, join(dir, 'node_modules'));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, {
      cwd: dir,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
      timeout: 120_000,
    });
  const load = run('scripts/loadtest.mjs', '--help');
  t.equal(load.status, 0, load.stderr);
  t.match(load.stdout, 'Usage: scripts/loadtest');
  const node = run('dist/main.js');
  t.equal(node.status, 1, 'without settings it says what is missing');
  t.match(node.stderr, 'JWT_SECRET or JWT_JWKS_URL is required');
});

t.test('packages of production need nothing that is for development', async (t) => {
  const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
    packages: Record<string, { dev?: boolean; dependencies?: Record<string, string>; resolved?: string }>;
  };
  const entries = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
  t.ok(entries.length > 50);
  for (const [path, { dependencies = {} }] of entries) {
    for (const name of Object.keys(dependencies)) {
      const places = path
        .split('/node_modules/')
        .map((_, i, parts) => parts.slice(0, i + 1).join('/node_modules/'));
      const found = [...places.map((place) => `${place}/node_modules/${name}`), `node_modules/${name}`];
      t.ok(
        found.some((place) => lock.packages[place] && !lock.packages[place]?.dev),
        `${path}: ${name}`,
      );
    }
  }
  t.same(
    Object.values(lock.packages).filter(({ resolved }) => resolved),
    [],
    'no registry is written down',
  );
});

const podman = (...args: string[]) =>
  spawnSync('podman', args, { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
const whyNot = podman('image', 'exists', `localhost/${BASE}`).error
  ? 'there is no podman here'
  : podman('image', 'exists', `localhost/${BASE}`).status !== 0 &&
    `podman has no localhost/${BASE} to build on`;

// This file is given longer than others.
if (!whyNot) t.setTimeout(BUILD_MS);

t.test('it is built, and its node serves the rooms example', { skip: whyNot || false }, async (t) => {
  // On a busy machine the packages alone take minutes.
  t.setTimeout(BUILD_MS);
  const args = [
    '--isolation',
    'chroot',
    '--pull=never',
    '--network',
    'host',
    '--format',
    'docker',
    '--tag',
    TAG,
  ];
  const env = process.env;
  const build = startProgram(t, 'podman build', 'podman', ['build', ...args, ROOT], { cwd: ROOT, env });
  t.equal(await within('it is built', build.exited, BUILD_MS), 0, build.logs().slice(-20).join('\n'));
  await serves(t);
});

/** Runs the image as a cluster would: not root, nothing to write to, no rights. */
async function serves(t: Test): Promise<void> {
  const redis = await startRedis(t);
  const port = await freePort();
  const name = `parlance-test-${port}`;
  const env = {
    JWT_SECRET: TEST_SECRET,
    PORT: String(port),
    REDIS_URL: redis.url,
    ROOMS_AUTH: 'trusted',
    DRAIN_MS: '500',
  };
  const args = [
    ...[
      'run',
      '--rm',
      '--name',
      name,
      '--runtime',
      'runc',
      '--network',
      'host',
      '--read-only',
      '--cap-drop',
      'all',
    ],
    ...['--security-opt', 'no-new-privileges', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=4096:4096'],
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
  ];
  const container = startProgram(t, 'the container', 'podman', [...args, TAG], { env: process.env });
  t.teardown(() => podman('rm', '--force', '--ignore', name));
  const url = `http://127.0.0.1:${port}`;
  await until('it is ready', async () => !container.running() || (await isReady(url)), 60_000);
  t.ok(container.running(), container.logs().join('\n'));

  t.match(podman('exec', name, 'id', '--user').stdout, /^1000$/m, 'it is not root');
  t.equal(podman('healthcheck', 'run', name).status, 0, 'its health check passes');
  t.not(podman('exec', name, 'touch', '/app/x').status, 0, 'and it cannot write');
  const room = await createRoom({ url });
  const socket = await open(`ws://127.0.0.1:${port}/api/v1/ws/${room}/grace`, { t });
  await socket.nextOf('history');
  await post({ url }, room, 'ada', 'Hello, World!');
  t.match(await socket.nextOf('text'), { content: 'Hello, World!', user_id: 'ada' });
  podman('kill', '--signal', 'TERM', name);
  t.equal((await socket.closed).code, 1012, 'its first process hears the signal, and drains');
  t.equal(await container.exited, 0);
}
