/** Waiting, always with a deadline. */

import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `probe` every `everyMs` until it answers something else than undefined or false.
 * @template T
 * @param {() => Promise<T | undefined | false> | T | undefined | false} probe errors thrown count as "not yet"
 * @param {number} deadlineMs
 * @param {number} [everyMs]
 * @returns {Promise<T | undefined>} undefined when the deadline passed
 */
export async function poll(probe, deadlineMs, everyMs = 50) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await attempt(probe);
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() >= end) return undefined;
    await sleep(everyMs);
  }
}

/**
 * @template T
 * @param {() => Promise<T | undefined | false> | T | undefined | false} probe
 */
async function attempt(probe) {
  try {
    return await probe();
  } catch {
    return undefined;
  }
}

/**
 * Whether `promise` settles within `deadlineMs`.
 * @param {Promise<unknown>} promise
 * @param {number} deadlineMs
 */
export async function settlesWithin(promise, deadlineMs) {
  const cancel = new AbortController();
  const late = sleep(deadlineMs, false, { signal: cancel.signal }).catch(() => false);
  const settled = await Promise.race([
    promise.then(
      () => true,
      () => true,
    ),
    late,
  ]);
  cancel.abort();
  return settled;
}
