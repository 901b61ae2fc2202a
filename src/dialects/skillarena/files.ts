import type { FastifyInstance } from 'fastify';
import { ChatError } from '../../core/errors.js';
import type { Attachment } from '../../core/model.js';
import type { DialectContext, UploadForm } from '../dialect.js';
import { type FilesBody, routes } from './api.js';

/** Uploading files to a chat, and addresses at which those of one's chats can be fetched. */
export function fileRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.post('/upload_files', routes.uploadFiles, async (request) => {
    const { user } = await context.authenticate(request);
    return context.upload(request, { owner: user, field: 'files', several: true }, async (form) => {
      const reference = required(form);
      const other = await context.people.get(reference);
      const { room } = await context.rooms.openDirect(user, other.id);
      const files = await context.files.keep(form.files, room);
      return { status: 'success', chat_id: String(room.id), files: files.map(fileBody) };
    });
  });

  scope.post<{ Body: FilesBody }>('/get_presigned_urls', routes.presign, async (request) => {
    const { user } = await context.authenticate(request);
    const { files } = request.body;
    const urls = await context.files.urlsFor(files, user);
    return { presigned_urls: Object.fromEntries(files.map((file, i) => [file, urls[i]])) };
  });
}

/** @throws ChatError bad_request when a part is missing */
function required(form: UploadForm): string {
  const other = form.field('other_user_id');
  for (const [field, there] of [
    ['other_user_id', other],
    ['files', form.files.length > 0],
  ] as const) {
    if (!there) throw new ChatError('bad_request', `${field} is required`, { field });
  }
  return other as string;
}

function fileBody({ file, name, size, contentType }: Attachment) {
  return { file_name: name, file_url: file, size, content_type: contentType };
}
