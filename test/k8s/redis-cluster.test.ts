/** The Redis Cluster of the manifests: its servers as they are started there, its bootstrap, and a node on it. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createRoom, history, post } from '../helpers/chat.js';
import { containersOf, find, K8S, render } from '../helpers/kustomize.js';
import { startNode } from '../helpers/node.js';
import { startProgram } from '../helpers/process.js';
import { askRedis } from '../helpers/redis.js';
import { freePort, until } from '../helpers/wait.js';

/** Where a scheduler may put six pods on three machines. */
const MACHINES = 'aabcbc';
const PASSWORD = 'a-password-of-the-tests';
const objects = render(`${K8S}/overlays/production`);
const set = find(objects, 'StatefulSet', 'redis');
const [server] = containersOf(set);
const script = (find(objects, 'ConfigMap', 'redis-bootstrap').data as Record<string, string>)['bootstrap.sh'];

t.test('the servers of the manifests become a cluster, and stay one', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-bootstrap-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const ports: number[] = [];
  for (let i = 0; i < set.spec.replicas; i += 1) {
    const port = await freePort();
    const data = mkdtempSync(join(dir, 'redis-'));
    const [, ...args] = server?.command ?? [];
    const given = args.map((one) =>
      one
        .replace('$(POD_IP)', '127.0.0.1')
        .replace('$(MACHINE)', `machine-${MACHINES[i]}`)
        .replace('$(REDIS_PASSWORD)', PASSWORD)
        .replace('/data', data),
    );
    startProgram(
      t,
      `Redis on ${port}`,
      process.env.REDIS_SERVER ?? 'redis-server',
      [...given, '--port', String(port)],
      {
        cwd: data,
        env: { PATH: process.env.PATH },
      },
    );
    await until('it answers', async () => (await askRedis(port, 'PING')).startsWith('-NOAUTH'), 20_000);
    ports.push(port);
  }
  const file = join(dir, 'bootstrap.sh');
  writeFileSync(file, script ?? '');
  const bootstrap = () =>
    spawnSync('sh', [file], {
      encoding: 'utf8',
      timeout: 180_000,
      env: {
        PATH: process.env.PATH,
        REDISCLI_AUTH: PASSWORD,
        SERVERS: ports.map((port) => `localhost:${port}`).join(' '),
      },
    });
  const first = bootstrap();
  t.equal(first.status, 0, first.stdout + first.stderr);
  t.match(first.stdout, /the cluster is there/);
  const again = bootstrap();
  t.equal(again.status, 0, again.stdout + again.stderr);
  t.match(again.stdout, /there is a cluster already/, 'a second run leaves it alone');

  const ask = (port: number | undefined, ...command: string[]) => {
    const cli = ['-p', String(port), '--no-auth-warning', '-a', PASSWORD, ...command];
    const options = { encoding: 'utf8', timeout: 60_000 } as const;
    return spawnSync(process.env.REDIS_CLI ?? 'redis-cli', cli, options).stdout;
  };
  const nodes = () => {
    const rows = ask(ports[0], 'cluster', 'nodes')
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
    return rows.map(([id = '', address = '', flags = '', primary = '']) => {
      return { id, machine: address.split(',')[1], flags, primary };
    });
  };
  // Word of who follows whom gets around a little later.
  const known = () => {
    const found = nodes();
    return found.filter(({ flags }) => flags.includes('slave')).length === 3 && found;
  };
  const servers = await until('all replicas are known', known, 60_000, 100);
  const primaries = servers.filter(({ flags }) => flags.includes('master'));
  t.same(primaries.map(({ machine }) => machine).sort(), ['machine-a', 'machine-b', 'machine-c']);
  for (const { machine, primary } of servers.filter(({ flags }) => flags.includes('slave'))) {
    t.not(machine, primaries.find(({ id }) => id === primary)?.machine, 'no replica beside its primary');
  }

  // What is durable waits for replicas, and one that still copies all from its primary acknowledges nothing.
  const inStep = () =>
    ports.filter((port) => ask(port, 'info', 'replication').includes('master_link_status:up')).length === 3;
  await until('all replicas are in step', inStep, 60_000, 100);

  const settings = find(objects, 'ConfigMap', 'parlance').data as Record<string, string>;
  t.match(settings, { REDIS_CLUSTER: 'true', DURABILITY: 'durable' });
  const urls = ports.map((port) => `redis://:${PASSWORD}@127.0.0.1:${port}`).join(',');
  const { REDIS_CLUSTER = '', DURABILITY = '' } = settings;
  const env = { REDIS_CLUSTER, DURABILITY, REDIS_URL: urls, ROOMS_AUTH: 'trusted' };
  const node = await startNode(t, env);
  const room = await createRoom(node);
  const sent = await post(node, room, 'ada', 'on disk and on a replica');
  t.same(
    (await history(node, room)).map(({ id }) => id),
    [sent.id],
  );
});
