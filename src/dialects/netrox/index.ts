import type { ChatError, ErrorCode } from '../../core/errors.js';
import type { Dialect } from '../dialect.js';
import { ErrorShape } from './api.js';
import { failure } from './encode.js';
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
  internal: 500,
  unavailable: 503,
  in_doubt: 503,
} satisfies Record<ErrorCode, number>;

/** The netrox document: threads between two people, addressed by the other one, all on one socket per user. */
export function netroxDialect(): Dialect {
  return {
    name: 'netrox',
    renderError: (error: ChatError) => ({ status: STATUS[error.code], body: failure(error.message) }),
    errorShape: ErrorShape,
    register(scope, context) {
      registerRoutes(scope, context);
      registerSocket(scope, context);
    },
  };
}
