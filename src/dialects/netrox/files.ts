import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import type { UserId } from '../../core/ids.js';
import { checkKey } from '../../core/input.js';
import type { DialectContext, UploadForm } from '../dialect.js';
import { routes } from './api.js';
import { DIALECT, messageBody, success } from './encode.js';
import { receiver } from './receiver.js';

/** The document's words. */
const CREATED = 'File uploaded and chat created successfully';
const FILE = 'attached_file';

/** A message with a file: stored at once, and live on this document's sockets when its sender says so. */
export function fileRoute(scope: FastifyInstance, context: DialectContext): void {
  scope.post('/chat/chat-attachment/', routes.sendFile, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const key = checkKey(request.headers['idempotency-key'], 'Idempotency-Key');
    const rules = { owner: user, field: FILE, several: false };
    const message = await context.upload(request, rules, (form) => send(form, user, key, context));
    reply.code(201);
    return success({ message }, CREATED);
  });
}

async function send(form: UploadForm, user: UserId, key: string | undefined, context: DialectContext) {
  const reference = form.field('receiver');
  const text = form.field('message') ?? '';
  if (!reference) throw new ChatError('bad_request', 'receiver is required', { field: 'receiver' });
  if (form.files.length === 0) throw new ChatError('bad_request', `${FILE} is required`, { field: FILE });
  // Before there is a thread: a message that is none must not leave an empty one behind.
  context.messages.checkText(text, 'message', form.files);
  const other = await receiver(reference, user, context);
  const { room } = await context.rooms.openDirect(user, other.id);
  const kept = await context.files.keep(form.files, room);
  const references = kept.map(({ file }) => file);
  const attachments = await context.files.attach(references, user, room, FILE);
  const sender = await context.people.get(user);
  const out = { room, sender, text, field: 'message', attachments, via: DIALECT, key };
  const { message, repeated } = await context.messages.send(out);
  // The first message has its own file.
  if (repeated) await context.files.discard(form.files);
  const [profiles, marks] = await Promise.all([
    context.people.profiles(room.participants),
    context.receipts.marksOf(room),
  ]);
  const seen = marks.statusOf(message) === 'read';
  return messageBody(message, room, profiles, seen, (file) => context.files.link(file));
}
