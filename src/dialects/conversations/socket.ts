import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import { parseNumericId, type UserId } from '../../core/ids.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Room } from '../../core/model.js';
import { namesUser } from '../../core/people.js';
import type { Tickets } from '../../core/ports.js';
import type { DialectContext } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { conversationOf } from './access.js';
import { MessageIn, socketDocs } from './api.js';
import { createEncoder } from './encode.js';
import { notYourself } from './routes.js';

const messageOf = frameOf(MessageIn);

/** One socket per conversation, opened with a ticket or a token. */
export function registerSocket(
  scope: FastifyInstance,
  context: DialectContext,
  tickets: Tickets,
  statusOf: (error: ChatError) => number,
): void {
  const encoder = createEncoder(statusOf);
  context.socket(scope, {
    path: '/api/conversations/:conversation/connect',
    docs: socketDocs,
    encoder,
    async admit(request) {
      const { conversation } = request.params as { conversation: string };
      const { ticket, since } = request.query as { ticket?: unknown; since?: unknown };
      const bearer: Bearer =
        ticket === undefined ? await context.authenticate(request) : await bearerOf(ticket, tickets);
      const room = await conversationOf(conversation, bearer.user, context);
      // A ticket is good for the conversation that it was given out for.
      if (bearer.room !== undefined && bearer.room !== room.id) throw badTicket();
      return {
        user: bearer.user,
        expiresAt: bearer.expiresAt,
        reads: { kind: 'room', room, since, history: false, announced: false },
      };
    },
    onFrame(input, socket, ref) {
      const frame = objectOf(input, 'the frame');
      if (frame.type === 'cursor') return socket.replyCursor();
      if (frame.type !== undefined) throw new ChatError('bad_request', 'unknown type');
      const { message, sender_id, conversation_id } = messageOf(frame);
      if (sender_id !== undefined && !namesUser(sender_id, socket.user)) throw notYourself();
      const room = socket.room as Room;
      if (conversation_id !== undefined && parseNumericId('room', String(conversation_id)) !== room.id)
        throw new ChatError('bad_request', "conversation_id must be this socket's", {
          field: 'conversation_id',
        });
      return socket.send({ room, text: message, field: 'message', ref });
    },
    refOf: (input) => asObject(input)?.ref,
  });
}

interface Bearer {
  readonly user: UserId;
  readonly expiresAt: number | undefined;
  /** The only room that is meant, where one is. */
  readonly room?: number;
}

async function bearerOf(ticket: unknown, tickets: Tickets): Promise<Bearer> {
  const grant = typeof ticket === 'string' ? await tickets.redeem(ticket) : undefined;
  if (!grant) throw badTicket();
  return grant;
}

function badTicket(): ChatError {
  return new ChatError('unauthorized', 'the ticket is not valid');
}
