import type { ChatError, ErrorCode } from '../../core/errors.js';
import type { Dialect } from '../dialect.js';
import { ErrorShape } from './api.js';
import { registerRoutes } from './routes.js';
import { registerSocket } from './socket.js';

/** The document lists 400, 401 and 404. A text too long for a body is invalid data like any other that is too long. */
const STATUS = {
  bad_request: 400,
  too_large: 400,
  conflict: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  rate_limited: 429,
  unavailable: 503,
  in_doubt: 503,
  internal: 500,
} satisfies Record<ErrorCode, number>;

/** The chats document: chats of two by id, read marks, and who is online. */
export function chatsDialect(): Dialect {
  return {
    name: 'chats',
    unknownBelow: '/chat',
    renderError,
    errorShape: ErrorShape,
    register(scope, context) {
      registerRoutes(scope, context);
      registerSocket(scope, context);
    },
  };
}

// Invalid data is told by field, everything else in one sentence.
function renderError({ code, field, message }: ChatError): { status: number; body: unknown } {
  const status = STATUS[code];
  return {
    status,
    body: status === 400 && field !== undefined ? { [field]: [message] } : { detail: message },
  };
}
