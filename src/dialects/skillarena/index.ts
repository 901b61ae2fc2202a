import type { ChatError, ErrorCode } from '../../core/errors.js';
import type { Dialect } from '../dialect.js';
import { ErrorShape } from './api.js';
import { registerRoutes } from './routes.js';
import { registerSocket } from './socket.js';

const STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
  in_doubt: 503,
  internal: 500,
} satisfies Record<ErrorCode, number>;

export interface SkillarenaSettings {
  /** After how long a receipt that nobody confirmed is sent again, in ms; 0: only at the next connection. */
  readonly receiptResendMs: number;
}

/** The skillarena document: all chats of a user on one socket, found by the other person, with receipts that are confirmed. */
export function skillarenaDialect(settings: SkillarenaSettings): Dialect {
  return {
    name: 'skillarena',
    renderError: (error: ChatError) => ({ status: STATUS[error.code], body: { detail: error.message } }),
    errorShape: ErrorShape,
    register(scope, context) {
      registerRoutes(scope, context);
      registerSocket(scope, context, settings.receiptResendMs);
    },
  };
}
