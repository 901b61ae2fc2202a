import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import { namesUser } from '../../core/people.js';
import { checkRef } from '../../core/text.js';
import type { DialectContext } from '../dialect.js';
import { actor, type RoomsSettings } from './access.js';
import { encoder } from './encode.js';

type Frame = Record<string, unknown>;

export function registerSocket(
  scope: FastifyInstance,
  context: DialectContext,
  settings: RoomsSettings,
): void {
  context.socket(scope, {
    path: '/ws/:room/:user',
    encoder,
    async admit(request) {
      const { room: reference, user } = request.params as { room: string; user: string };
      const { room, profile, identity } = await actor(request, reference, user, context, settings);
      return {
        user: profile.id,
        expiresAt: identity?.expiresAt,
        room,
        since: (request.query as { since?: unknown }).since,
        history: true,
        announced: true,
      };
    },
    onFrame(input, socket) {
      if (!isObject(input)) throw new ChatError('bad_request', 'the frame must be a JSON object');
      if (input.type === 'cursor') return socket.reply(encoder.cursor(socket.cursor()));
      if (input.type !== 'text') throw new ChatError('bad_request', 'unknown type');
      if (input.user_id !== undefined && !namesUser(input.user_id, socket.user)) {
        throw new ChatError('bad_request', 'user_id must be your own', { field: 'user_id' });
      }
      return socket.send(input.content, 'content', checkRef(input.ref));
    },
    refOf: (input) => (isObject(input) ? input.ref : undefined),
  });
}

function isObject(input: unknown): input is Frame {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}
