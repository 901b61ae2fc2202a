import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Room } from '../../core/model.js';
import { namesUser } from '../../core/people.js';
import type { DialectContext } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { actor, type RoomsSettings } from './access.js';
import { socketDocs, TextIn } from './api.js';
import { encoder } from './encode.js';

const textOf = frameOf(TextIn);

export function registerSocket(
  scope: FastifyInstance,
  context: DialectContext,
  settings: RoomsSettings,
): void {
  context.socket(scope, {
    path: '/api/v1/ws/:room/:user',
    docs: socketDocs,
    encoder,
    async admit(request) {
      const { room: reference, user } = request.params as { room: string; user: string };
      const { room, profile, identity } = await actor(request, reference, user, context, settings);
      return {
        user: profile.id,
        expiresAt: identity?.expiresAt,
        reads: {
          kind: 'room',
          room,
          since: (request.query as { since?: unknown }).since,
          history: true,
          announced: true,
        },
      };
    },
    onFrame(input, socket, ref) {
      const frame = objectOf(input, 'the frame');
      if (frame.type === 'cursor') return socket.replyCursor();
      if (frame.type !== 'text') throw new ChatError('bad_request', 'unknown type');
      const { content, user_id } = textOf(frame);
      if (user_id !== undefined && !namesUser(user_id, socket.user)) {
        throw new ChatError('bad_request', 'user_id must be your own', { field: 'user_id' });
      }
      return socket.send({ room: socket.room as Room, text: content, field: 'content', ref });
    },
    refOf: (input) => asObject(input)?.ref,
  });
}
