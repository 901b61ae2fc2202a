/** scripts/up: everything that a local Parlance needs, started by one command and stopped by Ctrl-C. */

import { parseArgs } from 'node:util';
import { ensureBalancer } from './lib/balancer.mjs';
import { localEnvironment, urlOf, userEnvironment } from './lib/environment.mjs';
import { Fault, runScript } from './lib/fail.mjs';
import { takeLock } from './lib/lock.mjs';
import { ensureBuild, ensurePackages } from './lib/packages.mjs';
import { makeDataDirs } from './lib/paths.mjs';
import { endLeftovers } from './lib/process.mjs';
import { ensureRedis } from './lib/redis.mjs';
import { refuseTakenPort, Stack } from './lib/stack.mjs';
import { mintToken } from './lib/token.mjs';
import { welcome } from './lib/welcome.mjs';

const USAGE = `Usage: scripts/up [--port N] [--replicas N]

Starts Parlance on this machine, with a private Redis and a private S3 store under .data/ unless REDIS_URL
and S3_ENDPOINT are set.
  --port N      port of the service (PORT, else 8000)
  --replicas N  N nodes behind a load balancer
Settings are environment variables, or lines of .env.`;

const MAX_REPLICAS = 32;
const SIGNALLED = 'signalled';

/** @typedef {{ host: string, port: number, replicas: number }} Options */

await runScript(async () => {
  const user = userEnvironment();
  const options = readOptions(user);
  if (!options) return console.log(USAGE);
  makeDataDirs();
  const unlock = takeLock();
  try {
    await endLeftovers();
    await refuseTakenPort(options.host, options.port);
    ensurePackages();
    ensureBuild();
    await runStack(user, options);
  } finally {
    unlock();
  }
});

/**
 * Starts the stack, keeps it until a signal or its breakdown, ends it.
 * @param {NodeJS.ProcessEnv} user
 * @param {Options} options
 */
async function runStack(user, options) {
  const stack = new Stack();
  const signal = firstSignal(() => stack.hurry());
  try {
    if (await Promise.race([start(stack, user, options), signal])) return;
    const broken = await Promise.race([stack.broken(), signal]);
    if (broken !== SIGNALLED) throw new Fault(broken);
  } finally {
    console.log('\nStopping ...');
    await stack.stop();
    console.log('Stopped.');
  }
}

/**
 * @param {Stack} stack
 * @param {NodeJS.ProcessEnv} user
 * @param {Options} options
 */
async function start(stack, user, { host, port, replicas }) {
  const balancer = replicas > 1 ? ensureBalancer() : undefined;
  const own = !user.REDIS_URL && !user.REDIS_SENTINELS;
  const redis = own
    ? await stack.startRedis(ensureRedis('or set REDIS_URL to one that runs elsewhere'))
    : 'yours (REDIS_URL or REDIS_SENTINELS)';
  const s3 = user.S3_ENDPOINT ? undefined : await stack.startS3();
  const env = localEnvironment({ ...user, ...(own ? { REDIS_URL: redis } : {}), ...s3 }, { host, port });
  const nodes = await stack.startNodes(env, { host, port, replicas, balancer });
  const token = env.JWT_SECRET ? await mintToken(env, 'ada', { name: 'Ada' }) : undefined;
  if (!stack.stopping)
    console.log(
      welcome({
        url: urlOf(host, port),
        nodes,
        redis,
        files: s3?.S3_ENDPOINT ?? 'yours (S3_ENDPOINT)',
        token,
        env,
      }),
    );
}

/**
 * Settles at the first signal to stop; `again` is called at every later one.
 * @param {() => void} again
 * @returns {Promise<typeof SIGNALLED>}
 */
function firstSignal(again) {
  return new Promise((resolve) => {
    let signalled = false;
    const onSignal = () => {
      if (signalled) again();
      signalled = true;
      resolve(SIGNALLED);
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, onSignal);
  });
}

/**
 * @param {NodeJS.ProcessEnv} user
 * @returns {Options | undefined} undefined when only the usage was asked for
 */
function readOptions(user) {
  const values = parseOptions();
  if (values.help) return undefined;
  return {
    host: user.HOST || '127.0.0.1',
    port: natural('port', values.port ?? (user.PORT || '8000'), 65_535),
    replicas: natural('replicas', values.replicas ?? '1', MAX_REPLICAS),
  };
}

function parseOptions() {
  try {
    return parseArgs({
      options: {
        port: { type: 'string' },
        replicas: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/** @param {string} name @param {string} value @param {number} max */
function natural(name, value, max) {
  const n = Number(value);
  if (/^\d+$/.test(value) && n >= 1 && n <= max) return n;
  throw new Fault(`The ${name} must be a number from 1 to ${max}, not "${value}".`);
}
