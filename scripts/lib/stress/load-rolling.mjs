/** The scenario `rolling`: rooms behind a load balancer, while each node is drained and replaced in turn. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { haproxyConfig } from '../balancer.mjs';
import { freePortFrom, isReady } from '../net.mjs';
import { ensureProgram, HAPROXY } from '../programs.mjs';
import { poll } from '../wait.mjs';
import { runRooms } from './load-rooms.mjs';
import { Program } from './program.mjs';

const READY_MS = 10_000;
const STOP_MS = 5_000;
/** Whoever was moved is to be back by then, nearly all of them in a shorter time. */
const BACK_MS = 60_000;
const SOON_MS = 6_000;
/** How long the balancer may take to find out that a node is there again. */
const LET_IN_MS = 3_000;
/** This node restarts: the only reason to close a socket here. */
const RESTART = '1012';

/** @param {import('./run.mjs').Run} run */
export async function runRolling(run) {
  const { options, stack, world, say } = run;
  const { tally } = world;
  const balancer = await startBalancer(stack);
  /** @type {string[]} */
  const failures = [];
  /** @param {readonly import('./client.mjs').Client[]} clients */
  const during = async (clients) => {
    for (const { at } of stack.nodes) {
      const startAt = performance.now();
      await stack.endNode(at, 'SIGTERM');
      await stack.startNode(at);
      const whole = await poll(() => clients.every(({ isOpen }) => isOpen), BACK_MS);
      if (!whole) failures.push(`${clients.filter(({ isOpen }) => !isOpen).length} stayed away`);
      const seconds = ((performance.now() - startAt) / 1000).toFixed(1);
      say(`  node ${at + 1} was drained and replaced, and everybody is back after ${seconds} s`);
      await sleep(LET_IN_MS);
    }
  };
  try {
    const rooms = Math.ceil(options.sockets / options.members);
    const behind = { ...run, options: { ...options, rooms }, world: { ...world, bases: [balancer.url] } };
    const outcome = await runRooms(/** @type {typeof run} */ ({ ...behind, during }));
    const p95 = tally.away.percentile(0.95) ?? 0;
    if (p95 > SOON_MS) failures.push(`the slowest 5 % were away for more than ${p95} ms`);
    const cut = [...tally.closes].filter(([code]) => code !== RESTART);
    if (cut.length > 0) failures.push(`sockets were closed with ${cut.map(([code]) => code).join(', ')}`);
    const figures = {
      moves: tally.away.count,
      'away ms': {
        p50: tally.away.percentile(0.5),
        p95,
        p99: tally.away.percentile(0.99),
        max: tally.away.percentile(1),
      },
    };
    return { ...outcome, figures, failures };
  } finally {
    await balancer.program.end('SIGTERM', STOP_MS);
  }
}

/** The balancer that scripts/up starts. @param {import('./stack.mjs').StressStack} stack */
async function startBalancer({ dir, nodes }) {
  const ports = nodes.map(({ port }) => port);
  const port = await freePortFrom(Math.max(...ports) + 1, new Set(ports));
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, haproxyConfig(`127.0.0.1:${port}`, ports));
  const program = new Program('haproxy', ensureProgram(HAPROXY), ['-db', '-f', file], {
    cwd: dir,
    env: process.env,
    logFile: join(dir, 'haproxy.log'),
  });
  const url = `http://127.0.0.1:${port}`;
  await program.ready(() => isReady(url), READY_MS);
  return { program, url };
}
