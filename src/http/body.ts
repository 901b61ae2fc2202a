import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { ChatError } from '../core/errors.js';

/** How long a body may take that is no upload, in ms. The server's own limit is for uploads, and may be an hour. */
const BODY_MS = 60_000;

/** Ends the connection of a request whose body, unless it is a form with files, is not there within `ms`. */
export function limitBodyTime(app: FastifyInstance, ms = BODY_MS): void {
  app.addHook('preParsing', ({ raw }, _, payload, done) => {
    // Nearly always it came with the head.
    if (!raw.complete && !raw.headers['content-type']?.startsWith('multipart/')) {
      const timer = setTimeout(() => raw.destroy(), ms);
      raw.once('close', () => clearTimeout(timer));
    }
    done(null, payload);
  });
}

/**
 * JSON bodies as RFC 8259 has them: UTF-8, or no JSON. Fastify's own parser would take other bytes for
 * U+FFFD, and a text would be stored that nobody wrote. Keys that reach for a prototype are left out, as other unknown ones are.
 */
export function registerJsonBody(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('remove', 'remove');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) done(new ChatError('bad_request', 'the body is not UTF-8'));
    else parse(request, body.toString(), done);
  });
}
