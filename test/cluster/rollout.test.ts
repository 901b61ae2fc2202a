/**
 * A rollout of three nodes as a cluster does it, with the timings of the production manifests: a new one beside the old
 * ones, which are taken out of the balancer (haproxy), wait in preStop, are told to stop, and are killed when their grace is over.
 */

import { createServer } from 'node:net';
import t from 'tap';
import { type Balancer, type Probe, startBalancer } from '../helpers/balancer.js';
import { createRooms, faultsIn, history, repeatsIn } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { containersOf, find, K8S, podOf, render } from '../helpers/kustomize.js';
import { keepTalking, Member } from '../helpers/member.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { startAnyRedis } from '../helpers/topology.js';
import { freePort, type Owner, sleep, until, within } from '../helpers/wait.js';

const NODES = 3;
const ROOMS = 8;
const MEMBERS = 25;
/** One in so many of them talks; the others read. */
const TALKS = 15;
const objects = render(`${K8S}/overlays/production`);
const deployment = find(objects, 'Deployment', 'parlance');
const [container] = containersOf(deployment);
const settings = find(objects, 'ConfigMap', 'parlance').data as Record<string, string>;
const timings = {
  preStopMs: Number(container?.lifecycle?.preStop.exec.command[1]) * 1_000,
  graceMs: podOf(deployment).terminationGracePeriodSeconds * 1_000,
  minReadyMs: deployment.spec.minReadySeconds * 1_000,
};

/** What becomes of a pod that is deleted. */
async function terminate(node: TestNode, balancer: Balancer): Promise<number | null> {
  const over = sleep(timings.graceMs).then(() => 'killed' as const);
  const end = async () => {
    await Promise.all([balancer.remove(node.port), sleep(timings.preStopMs)]);
    node.proc.kill('SIGTERM');
    return node.exited;
  };
  const code = await Promise.race([end(), over]);
  if (code !== 'killed') return code;
  await node.kill9();
  return null;
}

/** Keeps a port from everybody else until the answer is called; who comes meanwhile is turned away. */
async function hold(t: Owner, port: number): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  t.teardown(() => server.close());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  return () => new Promise((resolve) => server.close(() => resolve()));
}

t.test('a rollout of all nodes under load', async (t) => {
  const redis = await startAnyRedis(t);
  const ports: number[] = [];
  const holds = new Map<number, () => Promise<void>>();
  for (let i = 0; i < 2 * NODES; i += 1) {
    const port = await freePort();
    ports.push(port);
    holds.set(port, await hold(t, port));
  }
  const balancer = await startBalancer(t, ports, container?.readinessProbe as Probe);
  const env = { ...redis.env, ROOMS_AUTH: 'trusted', DRAIN_MS: settings.DRAIN_MS ?? '' };
  const start = async (port: number) => {
    await holds.get(port)?.();
    return startNode(t, { ...env, PORT: String(port) });
  };
  const old = await Promise.all(ports.slice(0, NODES).map(start));
  // It takes everybody for well until it has looked.
  await until('the balancer knows who is there', async () => {
    const served = await Promise.all(ports.map((port) => balancer.serves(port)));
    return served.every((is, i) => is === i < NODES);
  });

  const rooms = await createRooms(balancer, ROOMS);
  const members = await Promise.all(
    rooms.flatMap((room) =>
      Array.from({ length: MEMBERS }, (_, i) =>
        Member.join(t, { nodes: [balancer], room, user: `user-${i}` }),
      ),
    ),
  );
  const talk = keepTalking(
    members.filter((_, i) => i % TALKS === 0),
    400,
  );
  const posts: Promise<{ status: number; text: string }>[] = [];
  let asking = true;
  const asked = (async () => {
    while (asking) {
      const body = { content: `post ${posts.length}`, user_id: 'poster', type: 'text' };
      posts.push(request('POST', `${balancer.url}/api/v1/rooms/${rooms[0]}/messages`, { body }));
      await sleep(50);
    }
  })();

  const endings: Promise<number | null>[] = [];
  for (const [i, node] of old.entries()) {
    const fresh = await start(ports[NODES + i] as number);
    await until('it is let in', () => balancer.serves(fresh.port), 30_000);
    await sleep(timings.minReadyMs);
    endings.push(terminate(node, balancer));
  }
  const codes = await within('the old ones end', Promise.all(endings), timings.graceMs + 10_000);
  t.same(codes, [0, 0, 0], 'each ended by itself, in time');
  await until('everybody is back', () => members.every(({ open }) => open));
  asking = false;
  await asked;
  await talk.stop();
  await until('the last sends are answered', () => members.every(({ closes }) => closes.length >= 1));

  t.same([...new Set(members.flatMap(({ closes }) => closes))], [1012], 'sockets were moved, none was cut');
  t.ok(
    members.every(({ closes }) => closes.length <= NODES),
    'and none more than once a node',
  );
  t.same([...new Set((await Promise.all(posts)).map(({ status }) => status))], [200], 'no request failed');
  t.ok(posts.length >= 100);
  // What is acknowledged while the histories are read may be missing in them.
  const acknowledged = members.flatMap((one) => [...one.acknowledged.keys()]);
  const stored: string[] = [];
  for (const room of rooms) {
    const log = await history(balancer, room);
    t.strictSame(faultsIn(log, 1), []);
    const here = members.filter((one) => one.room === room);
    await until('all have all', () => here.every((one) => one.last >= log.length));
    stored.push(...log.map(({ content }) => content));
  }
  t.same(repeatsIn(stored), [], 'nothing is stored twice');
  const there = new Set(stored);
  t.same(
    acknowledged.filter((content) => !there.has(content)),
    [],
    'nothing acknowledged is lost',
  );
  t.same(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  const left = members.flatMap(({ announced }) => announced.filter((one) => one.includes('left')));
  t.same(left, [], 'nobody was seen to leave');
  await Promise.all(members.map((one) => one.leave()));
  t.comment(`${stored.length} messages, ${acknowledged.length} acknowledged, ${posts.length} requests`);
});
