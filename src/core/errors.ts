/** What can go wrong, said once; every dialect maps each code to its own shape and status. */
export type ErrorCode =
  | 'bad_request' // the caller can mend it
  | 'unauthorized' // no valid token, or one for somebody else
  | 'forbidden' // valid token, not this caller's to do
  | 'not_found' // does not exist, or the caller may not know that it does
  | 'conflict' // taken already
  | 'too_large' // past a documented size
  | 'rate_limited' // too many; `retryAfterS` says when to come back
  | 'unavailable' // nothing was stored; come back later
  | 'in_doubt' // may or may not be stored; repeat it with the same idempotency key
  | 'internal'; // our fault

/** An error with words for the caller. Its message is shown as it is: nothing secret goes in. */
export class ChatError extends Error {
  override name = 'ChatError';
  readonly code: ErrorCode;
  /** The input field that is at fault, where one is. */
  readonly field: string | undefined;
  /** Seconds after which a repeat has a chance, for `rate_limited` and `unavailable`. */
  readonly retryAfterS: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    detail: { field?: string; retryAfterS?: number; cause?: unknown } = {},
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.field = detail.field;
    this.retryAfterS = detail.retryAfterS;
  }
}

/** Codes a socket is closed with. Each tells the client what to do next. */
export const CloseCode = {
  /** The server shuts down for good; come back when told to. */
  goingAway: 1001,
  /** The frame was larger than allowed: don't send it again. */
  tooBig: 1009,
  /** This node restarts: come back now, another one answers. */
  restart: 1012,
  /** Overloaded or cut off from Redis: try again later. */
  tryLater: 1013,
  /** The token expired: come back with a new one. */
  tokenExpired: 4401,
  /** The room is gone: don't come back. */
  roomGone: 4404,
  /** The client reads too slowly to be served: come back with `since`. */
  tooSlow: 4408,
  /** The client sends too much: come back later and slower. */
  tooMany: 4429,
} as const;

/** The `not_found` of everything private: the same words for what does not exist and what is not the caller's. */
export function notFound(what: string): ChatError {
  return new ChatError('not_found', `${what} not found`);
}
