/** Codes that a socket is closed with, and what a client does then. */
export const CloseCode = {
  /** The service stops: come back later. */
  goingAway: 1001,
  /** A frame was too big: it is not sent again. */
  tooBig: 1009,
  /** This node restarts: come back now. */
  restart: 1012,
  /** It cannot serve at the moment: come back later. */
  tryLater: 1013,
  /** The token expired: come back with a new one. */
  tokenExpired: 4401,
  /** The room is gone: don't come back. */
  roomGone: 4404,
  /** This side read too slowly: come back where it was. */
  tooSlow: 4408,
  /** This side sent too much: come back slower. */
  tooMany: 4429,
} as const;

/** Spread over this time, everybody whom a node sent away comes back without a stampede; in ms. */
const NOW_MS = 400;
/** The first wait after a failure, doubled with each one more, up to the longest; in ms. */
const FIRST_MS = 300;
const LONGEST_MS = 15_000;
/** The first wait before something refused is said again, and the longest; in ms. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
/** What a wait is at least after these codes, in ms. */
const AT_LEAST_MS: ReadonlyMap<number, number> = new Map([
  [CloseCode.goingAway, 1_000],
  [CloseCode.tryLater, 2_000],
  [CloseCode.tooMany, 5_000],
]);

/**
 * How long to wait before the next attempt, in ms: "full jitter", so that a thousand clients that were cut off together
 * don't come back together. `failures` counts attempts without a lasting connection; `random` is from 0 to 1.
 */
export function waitAfter(code: number, failures: number, random: number, longestMs = LONGEST_MS): number {
  if (code === CloseCode.restart && failures === 0) return random * NOW_MS;
  const most = Math.min(longestMs, FIRST_MS * 2 ** Math.min(failures, 10));
  return (AT_LEAST_MS.get(code) ?? 0) + random * most;
}

/** How long to wait before something that was refused is said again, in ms. `refusals` of the same before; `random` is from 0 to 1. */
export function retryAfter(refusals: number, random: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(refusals, 10)) * (0.5 + random / 2);
}
