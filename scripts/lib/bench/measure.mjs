/** One measurement: a client process does a job against a stack, and says what it saw. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fail.mjs';
import { tailOf } from '../process.mjs';
import { Program } from '../stress/program.mjs';
import { settlesWithin } from '../wait.mjs';

const CLIENT = fileURLToPath(new URL('client.mjs', import.meta.url));
/** Opening the sockets and the drain, which have their own deadlines; the load comes on top. */
const AROUND_MS = 180_000;
const STOP_MS = 2_000;

let jobs = 0;

/**
 * @template {import('./job.mjs').LiveResult | import('./job.mjs').IdleResult} Result
 * @param {import('./stack.mjs').Stack} stack
 * @param {Omit<import('./job.mjs').Job, 'ports' | 'nodePids' | 'redisPids' | 'redisPorts'>} job
 * @returns {Promise<Result>}
 * @throws Fault with the end of the client's log when it fails
 */
export async function measure(stack, job) {
  jobs += 1;
  const jobFile = join(stack.dir, `job-${jobs}.json`);
  const resultFile = join(stack.dir, `result-${jobs}.json`);
  const logFile = join(stack.dir, `client-${jobs}.log`);
  writeFileSync(jobFile, JSON.stringify({ ...stack.targets, ...job }));
  const env = { PATH: process.env.PATH };
  const args = [CLIENT, jobFile, resultFile];
  const client = new Program('client', process.execPath, args, { cwd: stack.dir, env, logFile });
  const deadlineMs = AROUND_MS + job.plan.warmMs + job.plan.measureMs;
  if (!(await settlesWithin(client.exited, deadlineMs))) await client.end('SIGKILL', STOP_MS);
  if (existsSync(resultFile)) return JSON.parse(readFileSync(resultFile, 'utf8'));
  const logs = [logFile, ...stack.nodes.map(({ program }) => program.logFile)].map((file) => tailOf(file));
  throw new Fault(
    `The client of ${stack.system.name} failed (${await client.exited}). Logs:\n${logs.join('\n')}`,
  );
}

/**
 * Deliveries that are not as they should be, in words; undefined when all came once.
 * @param {import('./job.mjs').LiveResult} result
 */
export function faultOf({ expected, received, wrong, closed }) {
  if (received === expected && wrong === 0 && closed === 0) return undefined;
  return `${received} of ${expected} deliveries came, ${wrong} sockets with a wrong number, ${closed} closed`;
}
