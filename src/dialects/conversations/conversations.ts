import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseLimit, parseRange } from '../../core/cursor.js';
import { ChatError } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import type { Message, Room } from '../../core/model.js';
import { jsonArray } from '../../core/streaming.js';
import type { DialectContext } from '../dialect.js';
import { CONVERSATION_KINDS, type ConversationsSettings, conversationOf } from './access.js';
import { routes, type StartBody } from './api.js';
import { conversationBody, conversationId, historyBody } from './encode.js';

type OneConversation = { Params: { conversation: string } };

/** Conversations: listing them, starting one, its history, and the way to its socket. */
export function registerConversations(
  scope: FastifyInstance,
  context: DialectContext,
  settings: ConversationsSettings,
): void {
  scope.get('/api/conversations', routes.listConversations, async (request) => {
    const { user } = await context.authenticate(request);
    const limit = parseLimit((request.query as { limit?: unknown }).limit);
    const all = await shown(await context.rooms.of(user, CONVERSATION_KINDS), user, context);
    return all.slice(0, limit);
  });

  scope.post<{ Body: StartBody }>('/api/conversations', routes.startConversation, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const { room, created } = await start(request.body, user, context);
    return reply.code(created ? 201 : 200).send((await shown([room], user, context))[0]);
  });

  scope.get<OneConversation>(
    '/api/conversations/:conversation',
    routes.listMessages,
    async (request, reply) => {
      const { user } = await context.authenticate(request);
      const room = await conversationOf(request.params.conversation, user, context);
      const range = parseRange(request.query as Record<string, unknown>, room.id);
      const pages = context.messages.list(room, range);
      const stream = await jsonArray(pages, (page) =>
        page.map((message) => JSON.stringify(historyBody(message))),
      );
      return reply.type('application/json; charset=utf-8').send(stream);
    },
  );

  scope.register(async (connecting) => {
    acceptEmptyJson(connecting);
    connecting.post<OneConversation>(
      '/api/conversations/:conversation/connect',
      routes.connect,
      async (request) => {
        const { user, expiresAt } = await context.authenticate(request);
        const room = await conversationOf(request.params.conversation, user, context);
        const ticket = await settings.tickets.issue({ user, room: room.id, expiresAt });
        const id = conversationId(room.id);
        return {
          status: 'WebSocket connected',
          conversation_id: id,
          websocket_url: `${socketBase(request, settings)}/api/conversations/${id}/connect?ticket=${ticket}`,
        };
      },
    );
  });
}

async function start(
  { is_ai, participant_id }: StartBody,
  user: UserId,
  context: DialectContext,
): Promise<{ room: Room; created: boolean }> {
  if (is_ai) return { room: await context.rooms.openAgent(user), created: true };
  if (participant_id === undefined || participant_id === null) {
    throw new ChatError('bad_request', 'participant_id is required', { field: 'participant_id' });
  }
  const participant = await context.people.get(String(participant_id));
  return context.rooms.openDirect(user, participant.id);
}

/** Rooms as the document shows them, most recently active first. */
async function shown(rooms: readonly Room[], user: UserId, context: DialectContext) {
  const [states, people] = await Promise.all([
    context.receipts.states(rooms, user),
    context.people.profiles([...new Set(rooms.flatMap((room) => room.participants))]),
  ]);
  const activeMs = (room: Room, last: Message | undefined) => last?.createdMs ?? room.createdMs;
  return rooms
    .map((room, i) => ({ room, last: states[i]?.last }))
    .sort((a, b) => activeMs(b.room, b.last) - activeMs(a.room, a.last) || b.room.id - a.room.id)
    .map(({ room, last }) => conversationBody(room, people, last));
}

/** The request has no body to speak of: clients that say JSON all the same, and send nothing, mean no harm. */
function acceptEmptyJson(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('remove', 'remove');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parse(request, body as string, done);
  });
}

function socketBase(request: FastifyRequest, { publicUrl }: ConversationsSettings): string {
  return (publicUrl ?? `${request.protocol}://${request.host}`).replace(/^http/, 'ws');
}
