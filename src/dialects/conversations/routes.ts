import type { FastifyInstance } from 'fastify';
import { MAX_PAGE, parseLimit } from '../../core/cursor.js';
import { ChatError } from '../../core/errors.js';
import { checkKey } from '../../core/input.js';
import { namesUser, parseBefore } from '../../core/people.js';
import { jsonArray } from '../../core/streaming.js';
import type { DialectContext } from '../dialect.js';
import { conversationOf } from './access.js';
import { type MessageBody, routes } from './api.js';
import { sentBody, userBody } from './encode.js';

/** Sending by HTTP, and people. */
export function registerRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.post<{ Body: MessageBody }>('/api/messages/', routes.sendMessage, async (request) => {
    const { user } = await context.authenticate(request);
    const { conversation_id, sender_id, message: text } = request.body;
    if (sender_id !== undefined && !namesUser(sender_id, user)) throw notYourself();
    const key = checkKey(request.headers['idempotency-key'], 'Idempotency-Key');
    const room = await conversationOf(String(conversation_id), user, context);
    const sender = await context.people.get(user);
    const out = { room, sender, text, field: 'message', via: 'conversations', key };
    return sentBody((await context.messages.send(out)).message);
  });

  scope.get('/api/users/', routes.listUsers, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const { limit, before } = request.query as Record<string, unknown>;
    if (limit !== undefined || before !== undefined) {
      const most = parseLimit(limit, MAX_PAGE) as number;
      return (await context.people.list(user, most, parseBefore(before))).map(userBody);
    }
    const pages = context.people.everyone(user);
    const stream = await jsonArray(pages, (page) => page.map((profile) => JSON.stringify(userBody(profile))));
    return reply.type('application/json; charset=utf-8').send(stream);
  });

  scope.get<{ Params: { user: string } }>('/api/users/:user', routes.getUser, async (request) => {
    const { user } = await context.authenticate(request);
    return userBody(await context.people.lookUp(request.params.user, user));
  });
}

/** The refusal of a send in somebody else's name. */
export function notYourself(): ChatError {
  return new ChatError('forbidden', 'sender_id must be your own', { field: 'sender_id' });
}
