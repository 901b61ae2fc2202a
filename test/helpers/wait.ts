/** Waiting and ports. Every wait has a deadline. */

import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

/** What a helper needs of a tap test: a place to register its clean-up. */
export interface Owner {
  teardown(clean: () => unknown): void;
}

/**
 * Asks `probe` again and again until it answers something else than undefined or false.
 * Errors it throws count as "not yet".
 * @throws Error that names `what`, with the last error, when the deadline passes
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 20_000,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end) throw new Error(`not within ${ms} ms: ${what}`, { cause: last });
    await sleep(everyMs);
  }
}

/** The value of `promise`, or an error that names `what` when it does not settle in time. */
export async function within<T>(what: string, promise: Promise<T>, ms: number): Promise<T> {
  const cancel = new AbortController();
  const late = sleep(ms, undefined, { signal: cancel.signal }).then(() => {
    throw new Error(`not within ${ms} ms: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel.abort();
    late.catch(() => undefined);
  }
}

/** Below the ports that the system gives to outgoing connections, a cluster's bus ports (10,000 up) included. */
const FIRST_PORT = 12_000;
const LAST_PORT = 21_999;

/** A port of loopback, chosen at random, that nothing listens on; nor on the bus port that belongs to it. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
  throw new Error('no free port on loopback');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
