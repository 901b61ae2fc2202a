/** The embedded S3 store of a local run. Its files stay under `.data/s3` from one run to the next. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { freePortFrom } from './net.mjs';
import { DATA, ROOT } from './paths.mjs';
import { startChild, untilReady } from './process.mjs';

const FIRST_PORT = 9600;
const READY_DEADLINE_MS = 20_000;
const STORE_MAIN = join(ROOT, 'scripts', 's3-store.mjs');

/**
 * Starts the store on loopback, with credentials made for this run.
 * @param {(child: import('./process.mjs').Child) => void} started told at once, so that a failed start is ended too
 * @returns {Promise<{ S3_ENDPOINT: string, S3_ACCESS_KEY: string, S3_SECRET_KEY: string }>} the settings of its nodes
 */
export async function startS3(started) {
  const port = await freePortFrom(FIRST_PORT);
  const settings = {
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_ACCESS_KEY: randomBytes(12).toString('hex'),
    S3_SECRET_KEY: randomBytes(32).toString('hex'),
  };
  const env = {
    PATH: process.env.PATH,
    S3_STORE_DIR: join(DATA, 's3'),
    S3_STORE_PORT: String(port),
    ...settings,
  };
  const child = startChild('s3', process.execPath, [STORE_MAIN], { cwd: ROOT, env, marker: STORE_MAIN });
  started(child);
  await untilReady(child, () => refusesStrangers(settings.S3_ENDPOINT), READY_DEADLINE_MS);
  return settings;
}

/** Whether the store answers, and only to those who sign. @param {string} url */
async function refusesStrangers(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(1000) });
  await answer.body?.cancel();
  return answer.status === 403;
}
