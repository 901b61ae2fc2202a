import type { FastifyInstance } from 'fastify';
import { ChatError, notFound } from '../../core/errors.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Message, Room } from '../../core/model.js';
import type { Encoder, Ref } from '../../core/rendering.js';
import type { ChatSocket, DialectContext } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { ChatMessage, ChatMessageFile, MessageSeen, socketDocs } from './api.js';
import { ackFrame, DIALECT, type Link, messageFrame } from './encode.js';
import { receiver } from './receiver.js';

const textOf = frameOf(ChatMessage);
const fileOf = frameOf(ChatMessageFile);
const seenOf = frameOf(MessageSeen);

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
    [
      'message_seen',
      async (frame, socket, ref) => socket.meanwhile(markSeen(frame, socket, ref, context), ref),
    ],
    ['cursor', (_, socket) => socket.replyCursor()],
  ]);
  context.socket(scope, {
    path: '/ws/chat/room/',
    docs: socketDocs,
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
  const { message_body: text, receiver_id } = textOf(frame);
  // Before there is a thread: a message that is none must not leave an empty one behind.
  context.messages.checkText(text, field);
  const other = await receiver(String(receiver_id), socket.user, context);
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
  const { message } = await named(fileOf(frame).chat_id, socket, context);
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
  const { room, message } = await named(seenOf(frame).chat_id, socket, context);
  await context.receipts.mark(room, socket.user, message.offset, 'read');
  acknowledge(message, socket, ref);
}

/**
 * The message that a frame's `chat_id` names, in a thread of the socket's user.
 * @throws ChatError not_found
 */
async function named(
  reference: string | number,
  socket: ChatSocket,
  context: DialectContext,
): Promise<{ room: Room; message: Message }> {
  const found = await context.messages.one(context.rooms, String(reference), socket.user);
  // Other rooms don't exist here.
  if (found.room.kind !== 'direct') throw notFound('message');
  return found;
}

function acknowledge(message: Message, socket: ChatSocket, ref: Ref | undefined): void {
  if (ref !== undefined) socket.reply(ackFrame(message, ref));
}
