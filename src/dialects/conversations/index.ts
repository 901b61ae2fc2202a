import type { ChatError, ErrorCode } from '../../core/errors.js';
import type { Dialect } from '../dialect.js';
import type { ConversationsSettings } from './access.js';
import { registerAccounts } from './accounts.js';
import { ErrorShape } from './api.js';
import { registerConversations } from './conversations.js';
import { errorBody } from './encode.js';
import { registerRoutes } from './routes.js';
import { registerSocket } from './socket.js';

const STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 400,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
  in_doubt: 503,
} satisfies Record<ErrorCode, number>;

const statusOf = (error: ChatError): number => STATUS[error.code];

/** The conversations document: accounts, conversations of two by UUID, and one socket per conversation. */
export function conversationsDialect(settings: ConversationsSettings): Dialect {
  return {
    name: 'conversations',
    unknownBelow: '/api',
    renderError: (error) => ({ status: statusOf(error), body: errorBody(error, statusOf(error)) }),
    errorShape: ErrorShape,
    register(scope, context) {
      if (settings.accounts) registerAccounts(scope, context, settings.accounts);
      scope.register(async (guarded) => {
        // Before the body is looked at: who has no token hears of that, and of nothing else.
        guarded.addHook('onRequest', async (request) => {
          await context.authenticate(request);
        });
        registerConversations(guarded, context, settings);
        registerRoutes(guarded, context);
      });
      registerSocket(scope, context, settings.tickets, statusOf);
    },
  };
}
