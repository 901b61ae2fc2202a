/**
 * The client process: `node client.mjs <job file> <result file>`. It reads the CPU times of the processes under test
 * itself, so that they cover exactly the time in which it counted deliveries.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askRedis } from '../net.mjs';
import { poll } from '../wait.mjs';
import { Crowd } from './crowd.mjs';
import { cpuSeconds, percentile, residentKib, sum } from './usage.mjs';

const DRAIN_MS = 15_000;
/** Nobody speaks any more: what joining caused has been done. */
const CALM_MS = 500;
/** Nodes that are not warm by then are slow enough. */
const WARMING_MS = 10_000;
const REST_MS = 3_000;
/** Who was cut off is announced as gone 10 s later. Nodes that work less than this share of a core are done with it. */
const GONE_MS = 11_000;
const RESTING_SHARE = 0.02;
const RESTING_MS = 20_000;
/** Opened first, so that what a node sets up once is not charged to sockets. */
const FIRST_SHARE = 0.1;

const [jobFile = '', resultFile = ''] = process.argv.slice(2);
/** @type {import('./job.mjs').Job} */
const job = JSON.parse(readFileSync(jobFile, 'utf8'));
let crowd = new Crowd(job);
const result = await (job.plan.kind === 'idle' ? idle() : live());
crowd.end();
writeFileSync(resultFile, JSON.stringify(result));
process.exit();

/** @returns {Promise<import('./job.mjs').LiveResult>} */
async function live() {
  const { plan, members } = job;
  await crowd.open(0, members.length);
  await sleep(CALM_MS);
  const stop = plan.kind === 'paced' ? pace(plan.rate) : close(plan.window);
  await sleep(plan.warmMs);
  await poll(() => job.nodePids.every((pid) => cpuSeconds(pid) >= plan.warmCpu), WARMING_MS, 20);
  const before = reading();
  crowd.timing = true;
  await sleep(plan.measureMs);
  crowd.timing = false;
  const after = reading();
  stop();
  await poll(() => crowd.complete, DRAIN_MS, 20);
  const sorted = crowd.latencies.sort((a, b) => a - b);
  return {
    sockets: members.length,
    seconds: (after.at - before.at) / 1000,
    deliveries: after.deliveries - before.deliveries,
    cpu: { nodes: after.nodes - before.nodes, redis: after.redis - before.redis },
    clientCpu: after.own - before.own,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    sent: crowd.sent,
    ...crowd.count(),
    closed: crowd.closed,
  };
}

/** Each sender keeps so many messages under way. @param {number} window @returns {() => void} ends it */
function close(window) {
  let on = true;
  crowd.onOwn = (peer) => {
    if (on) crowd.send(peer);
  };
  for (const peer of crowd.peers) {
    if (!peer.member.sender) continue;
    for (let i = 0; i < window; i += 1) crowd.send(peer);
  }
  return () => {
    on = false;
  };
}

/** So many messages a second, whatever comes back; the senders take turns. @param {number} rate @returns {() => void} ends it */
function pace(rate) {
  const senders = crowd.peers.filter(({ member }) => member.sender);
  const startAt = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startAt) / 1000) * rate;
    for (; sent < due; sent += 1)
      crowd.send(/** @type {import('./crowd.mjs').Peer} */ (senders[sent % senders.length]));
  }, 1);
  return () => clearInterval(timer);
}

/** @returns {Promise<import('./job.mjs').IdleResult>} */
async function idle() {
  const total = job.members.length;
  const first = Math.round(total * FIRST_SHARE);
  await crowd.open(0, first);
  const sockets = total - first;
  const start = await memory();
  const anew = await opening(first, total);
  const end = await memory();
  crowd.end();
  const { closed } = crowd;
  const rested = await rests();
  crowd = new Crowd(job);
  await crowd.open(0, first);
  return {
    sockets,
    anew,
    back: await opening(first, total),
    nodeKib: (end.asIs - start.asIs) / sockets,
    nodeKibLive: (end.live - start.live) / sockets,
    redisBytes: (end.redis - start.redis) / sockets,
    closed: closed + crowd.closed,
    rested,
  };
}

/** Opens the sockets of members `from` up to `to`. @param {number} from @param {number} to */
async function opening(from, to) {
  const before = reading();
  await crowd.open(from, to);
  const after = reading();
  return {
    seconds: (after.at - before.at) / 1000,
    cpu: { nodes: after.nodes - before.nodes, redis: after.redis - before.redis },
  };
}

/** Waits until the nodes have nothing left to do, if that comes. */
async function rests() {
  await sleep(GONE_MS);
  let last = reading();
  const atRest = async () => {
    await sleep(REST_MS);
    const now = reading();
    const share = (now.nodes - last.nodes) / ((now.at - last.at) / 1000);
    last = now;
    return share < RESTING_SHARE * job.nodePids.length;
  };
  return (await poll(atRest, RESTING_MS, 0)) === true;
}

/** After a rest: KiB of the nodes as they are, and after a collection; bytes of Redis. */
async function memory() {
  const { nodePids, redisPorts } = job;
  const resident = () => sum(nodePids.map(residentKib));
  await sleep(REST_MS);
  const asIs = resident();
  for (const pid of nodePids) process.kill(pid, 'SIGUSR2');
  await sleep(REST_MS / 3);
  const infos = await Promise.all(redisPorts.map((port) => askRedis(port, 'INFO memory')));
  const redis = sum(infos.map((info) => Number(/used_memory:(\d+)/.exec(info)?.[1])));
  return { asIs, live: resident(), redis };
}

function reading() {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now(),
    deliveries: crowd.deliveries,
    nodes: sum(job.nodePids.map(cpuSeconds)),
    redis: sum(job.redisPids.map(cpuSeconds)),
    own: (user + system) / 1e6,
  };
}
