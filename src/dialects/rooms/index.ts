import type { ChatError, ErrorCode } from '../../core/errors.js';
import type { Dialect } from '../dialect.js';
import type { RoomsSettings } from './access.js';
import { ErrorShape } from './api.js';
import { registerRoutes } from './routes.js';
import { registerSocket } from './socket.js';

/** The document lists 200, 400, 401, 404, 429 and 500; a service that is away is a 503 all the same. */
const STATUS = {
  bad_request: 400,
  too_large: 400,
  conflict: 400,
  unauthorized: 401,
  forbidden: 401,
  not_found: 404,
  rate_limited: 429,
  unavailable: 503,
  in_doubt: 503,
  internal: 500,
} satisfies Record<ErrorCode, number>;

/** The rooms document: public rooms by id, history and presence on one socket per room. */
export function roomsDialect(settings: RoomsSettings): Dialect {
  return {
    name: 'rooms',
    unknownBelow: '/api/v1',
    renderError: (error: ChatError) => ({ status: STATUS[error.code], body: { detail: error.message } }),
    errorShape: ErrorShape,
    register(scope, context) {
      registerRoutes(scope, context, settings);
      registerSocket(scope, context, settings);
    },
  };
}
