import type { FastifyInstance } from 'fastify';
import { ChatError, notFound } from '../../core/errors.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Message, Room } from '../../core/model.js';
import type { Encoder, Ref } from '../../core/rendering.js';
import type { ChatSocket, DialectContext } from '../dialect.js';
import { ackFrame, DIALECT, type Link, messageFrame } from './encode.js';
import { receiver } from './receiver.js';

type Frame = Record<string, unknown>;
type Action = (frame: Frame, socket: ChatSocket, ref: Ref | undefined) => Promise<void>;

/** Frames of the document. */
function frames(link: Link): Encoder {
  return {
    dialect: DIALECT,
    needsProfiles: false,
    message: (message, { room, live }) =>
      live && isAnnounced(message) ? null : messageFrame(message, room, link),
    // A client draws what it sent by itself: it hears of it only when it asked to.
    ownIsShared: false,
    own: (message, _, ref) => (ref === undefined ? null : ackFrame(message, ref)),
    event: (event, room) => (event.kind === 'announce' ? messageFrame(event.message, room, link) : null),
    wants: (event) => event.kind === 'announce',
    error: (error, ref) =>
      JSON.stringify({ action: 'error', message: error.message, ...(ref === undefined ? {} : { ref }) }),
    cursor: (cursor) => JSON.stringify({ action: 'cursor', cursor }),
    reset: () => '{"action":"reset"}',
  };
}

/** One socket for all threads of a user. */
export function registerSocket(scope: FastifyInstance, context: DialectContext): void {
  const encoder = frames((file) => context.files.link(file));
  const actions: ReadonlyMap<unknown, Action> = new Map<unknown, Action>([
    ['chat_message', (frame, socket, ref) => send(frame, socket, ref, context)],
    ['chat_message_file', (frame, socket, ref) => announce(frame, socket, ref, context)],
    ['message_seen', (frame, socket, ref) => markSeen(frame, socket, ref, context)],
    ['cursor', async (_, socket) => socket.reply(encoder.cursor(await socket.cursor()))],
  ]);
  context.socket(scope, {
    path: '/ws/chat/room/',
    encoder,
    async admit(request) {
      const { user, expiresAt } = await context.authenticate(request);
      const { since } = request.query as { since?: unknown };
      return { user, expiresAt, reads: { kind: 'user', since } };
    },
    onFrame(input, socket, ref) {
      const frame = objectOf(input, 'the frame');
      const action = actions.get(frame.action);
      if (!action) throw new ChatError('bad_request', 'unknown action', { field: 'action' });
      return action(frame, socket, ref);
    },
    refOf: (input) => asObject(input)?.ref,
  });
}

/** Whether a message is shown live only when its sender says so: a file that was uploaded through this document. */
function isAnnounced(message: Message): boolean {
  return message.via === DIALECT && message.attachments.length > 0;
}

async function send(
  frame: Frame,
  socket: ChatSocket,
  ref: Ref | undefined,
  context: DialectContext,
): Promise<void> {
  const field = 'message_body';
  const text = frame.message_body;
  const reference = referenceIn(frame, 'receiver_id');
  // Before there is a thread: a message that is none must not leave an empty one behind.
  context.messages.checkText(text, field);
  const other = await receiver(reference, socket.user, context);
  const { room } = await context.rooms.openDirect(socket.user, other.id);
  socket.send({ room, text, field, ref });
}

/** Shows a message whose file is uploaded to the live sockets that wait for it. The stored text counts. */
async function announce(
  frame: Frame,
  socket: ChatSocket,
  ref: Ref | undefined,
  context: DialectContext,
): Promise<void> {
  const { message } = await named(frame, socket, context);
  if (message.sender !== socket.user) {
    throw new ChatError('forbidden', 'only its sender may announce a message');
  }
  if (message.attachments.length === 0) {
    throw new ChatError('bad_request', 'chat_id must be the id of a message with a file', {
      field: 'chat_id',
    });
  }
  // One that came through another document was shown when it was stored.
  if (isAnnounced(message)) await socket.announce(message);
  acknowledge(message, socket, ref);
}

async function markSeen(
  frame: Frame,
  socket: ChatSocket,
  ref: Ref | undefined,
  context: DialectContext,
): Promise<void> {
  const { room, message } = await named(frame, socket, context);
  await context.receipts.mark(room, socket.user, message.offset, 'read');
  acknowledge(message, socket, ref);
}

/**
 * The message that the frame's `chat_id` names, in a thread of the socket's user.
 * @throws ChatError bad_request, not_found
 */
async function named(
  frame: Frame,
  socket: ChatSocket,
  context: DialectContext,
): Promise<{ room: Room; message: Message }> {
  const reference = referenceIn(frame, 'chat_id');
  const found = await context.messages.one(context.rooms, reference, socket.user);
  // Other rooms don't exist here.
  if (found.room.kind !== 'direct') throw notFound('message');
  return found;
}

function acknowledge(message: Message, socket: ChatSocket, ref: Ref | undefined): void {
  if (ref !== undefined) socket.reply(ackFrame(message, ref));
}

/**
 * An id in a frame: text, or a number as other documents write them.
 * @throws ChatError bad_request, naming the field
 */
function referenceIn(frame: Frame, field: 'receiver_id' | 'chat_id'): string {
  const value = frame[field];
  const isNumber = Number.isSafeInteger(value) && (value as number) >= 0;
  if (typeof value !== 'string' && !isNumber) {
    throw new ChatError('bad_request', `${field} must be an id`, { field });
  }
  return String(value);
}
