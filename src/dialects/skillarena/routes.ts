import type { FastifyInstance } from 'fastify';
import { parseRange } from '../../core/cursor.js';
import { ChatError } from '../../core/errors.js';
import { jsonArray } from '../../core/streaming.js';
import type { DialectContext } from '../dialect.js';
import { routes } from './api.js';
import { chatPages, renderChats } from './chats.js';
import { messageJson } from './encode.js';
import { fileRoutes } from './files.js';

const JSON_TYPE = 'application/json; charset=utf-8';
/** No room has this number: where there is no chat yet, no message of it can be named either. */
const NO_ROOM = -1;

export function registerRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => {
      await context.authenticate(request);
    });
    chatRoutes(guarded, context);
    fileRoutes(guarded, context);
  });
}

function chatRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.get('/chat_history', routes.listChats, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const pages = chatPages(user, context);
    return reply.type(JSON_TYPE).send(await jsonArray(pages, (page) => renderChats(page, user, context)));
  });

  scope.get<{ Params: { other: string } }>(
    '/chat_history/:other',
    routes.listMessages,
    async (request, reply) => {
      const { user } = await context.authenticate(request);
      const other = await context.people.get(request.params.other);
      if (other.id === user) throw new ChatError('bad_request', 'you cannot chat with yourself');
      const room = await context.rooms.findDirect(user, other.id);
      const range = parseRange(request.query as Record<string, unknown>, room?.id ?? NO_ROOM);
      if (!room) return [];
      const marks = await context.receipts.marksOf(room);
      const messages = await jsonArray(context.messages.list(room, range), (page) =>
        page.map((message) => messageJson(message, room, marks.statusOf(message))),
      );
      return reply.type(JSON_TYPE).send(messages);
    },
  );
}
