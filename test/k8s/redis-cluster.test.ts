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
      one.replace('$(POD_IP)', '127.0.0.1').replace('$(REDIS_PASSWORD)', PASSWORD).replace('/data', data),
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
    await until('it answers', async () => (await askRedis(port, 'PING')).startsWith('-NOAUTH'));
    ports.push(port);
  }
  const file = join(dir, 'bootstrap.sh');
  writeFileSync(file, script ?? '');
  const bootstrap = () =>
    spawnSync('sh', [file], {
      encoding: 'utf8',
      timeout: 90_000,
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
  t.match(again.stdout, /there is a cluster of 6 already/, 'a second run leaves it alone');

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
