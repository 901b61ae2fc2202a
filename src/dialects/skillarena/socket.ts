import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ChatError } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import { asObject, objectOf } from '../../core/input.js';
import type { Attachment } from '../../core/model.js';
import { namesUser } from '../../core/people.js';
import type { Ref } from '../../core/rendering.js';
import type { Admission, ChatSocket, DialectContext, SocketRoute } from '../dialect.js';
import { frameOf } from '../schemas.js';
import { MessageData, socketDocs } from './api.js';
import { encoder } from './encode.js';
import { type Confirmed, takeReceipt } from './receipts.js';
import { Repeats } from './repeats.js';

const messageOf = frameOf(MessageData);

/** The token stands in the path, as documented; without it, where every socket may have it. */
const PATHS = ['/ws/:token', '/ws'];

/** `resendMs`: after how long a receipt is sent again; 0 for never. */
export function registerSocket(scope: FastifyInstance, context: DialectContext, resendMs: number): void {
  const route = userSocket(context, resendMs);
  for (const path of PATHS) context.socket(scope, { path, ...route });
}

function userSocket(context: DialectContext, resendMs: number): Omit<SocketRoute, 'path'> {
  const sockets = new WeakMap<ChatSocket, Repeats>();
  const repeatsOf = (socket: ChatSocket): Repeats => {
    let repeats = sockets.get(socket);
    if (!repeats) {
      repeats = new Repeats((frame) => socket.reply(frame), resendMs);
      sockets.set(socket, repeats);
    }
    return repeats;
  };
  return {
    docs: socketDocs,
    encoder,
    admit: (request) => admit(request, context),
    async onFrame(input, socket, ref) {
      const frame = objectOf(input, 'the frame');
      if (frame.type === 'cursor') return socket.replyCursor();
      if (frame.type === 'message') return sendMessage(objectOf(frame.data, 'data'), socket, ref, context);
      if (frame.type !== 'receipt_update') throw new ChatError('bad_request', 'unknown type');
      const taken = takeReceipt(objectOf(frame.data, 'data'), socket, context);
      const settle = (one: Confirmed | undefined) =>
        one && repeatsOf(socket).confirm(one.messageId, one.status);
      return socket.meanwhile(taken.then(settle), ref);
    },
    // Inside the data, or where other dialects have it.
    refOf: (input) => asObject(asObject(input)?.data)?.ref ?? asObject(input)?.ref,
    async onOpen(socket) {
      repeatsOf(socket).open(await context.receipts.owed(socket.user));
    },
    onUserEvent(event, socket) {
      if (event.kind === 'owed') repeatsOf(socket).add(event);
      if (event.kind === 'settled') repeatsOf(socket).confirm(event.messageId, event.status);
    },
    onClose: (socket) => sockets.get(socket)?.close(),
  };
}

async function admit(request: FastifyRequest, context: DialectContext): Promise<Admission> {
  const { user, expiresAt } = await context.authenticate(request);
  const { since } = request.query as { since?: unknown };
  return { user, expiresAt, reads: { kind: 'user', since } };
}

async function sendMessage(
  data: object,
  socket: ChatSocket,
  ref: Ref | undefined,
  context: DialectContext,
): Promise<void> {
  const { sender_id, receiver_id, message, attachments: references = [] } = messageOf(data);
  if (sender_id !== undefined && !namesUser(sender_id, socket.user)) {
    throw new ChatError('bad_request', 'sender_id must be your own', { field: 'sender_id' });
  }
  // Before the chat is opened: a message that is none must not leave an empty chat behind.
  const text = context.messages.checkText(message, 'message', references);
  const receiver = await context.people.get(String(receiver_id));
  const attachments = await filesOf(references, socket.user, receiver.id, context);
  const { room } = await context.rooms.openDirect(socket.user, receiver.id);
  socket.send({ room, text, field: 'message', ref, attachments });
}

async function filesOf(
  references: readonly string[],
  user: UserId,
  receiver: UserId,
  context: DialectContext,
): Promise<readonly Attachment[]> {
  if (references.length === 0) return [];
  // A file that may be attached was uploaded to this chat, so that there is one.
  const room = await context.rooms.findDirect(user, receiver);
  return context.files.attach(references, user, room, 'attachments');
}
