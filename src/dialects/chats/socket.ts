import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Room } from '../../core/model.js';
import type { DialectContext } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { chatOf } from './access.js';
import { MessageIn, socketDocs } from './api.js';
import { encoder } from './encode.js';

const messageOf = frameOf(MessageIn);

/** `/ws/chat/<chat_id>/`: what is said in one chat, and what is read there, from now on or from `since` on. */
export function registerSocket(scope: FastifyInstance, context: DialectContext): void {
  context.socket(scope, {
    path: '/ws/chat/:chat/',
    docs: socketDocs,
    encoder,
    async admit(request) {
      const { user, expiresAt } = await context.authenticate(request);
      const room = await chatOf((request.params as { chat: string }).chat, user, context);
      const { since } = request.query as { since?: unknown };
      return { user, expiresAt, reads: { kind: 'room', room, since, history: false, announced: false } };
    },
    onFrame(input, socket, ref) {
      const frame = objectOf(input, 'the frame');
      if (frame.type === 'cursor') return socket.replyCursor();
      if (frame.type !== 'message') throw new ChatError('bad_request', 'unknown type');
      const { content } = messageOf(frame);
      return socket.send({ room: socket.room as Room, text: content, field: 'content', ref });
    },
    refOf: (input) => asObject(input)?.ref,
  });
}
