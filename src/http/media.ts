import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { ChatError } from '../core/errors.js';
import { FILES_PATH, type Files } from '../core/files.js';
import type { UserId } from '../core/ids.js';
import type { Authenticator } from './auth.js';

/** What every answer for a file carries: nothing here is to be guessed, kept, or run. */
const HEADERS = {
  'cache-control': 'private, no-store',
  'content-security-policy': "default-src 'none'; sandbox",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

const ErrorShape = Type.Object({ detail: Type.String() });
const SCHEMA = {
  tags: ['files'],
  summary: 'The bytes of a file',
  // With a signature in the query no token is needed.
  security: [{ bearer: [] }, {}],
  response: {
    302: Type.Null({ description: 'to an address good for a short time' }),
    '4xx': ErrorShape,
    '5xx': ErrorShape,
  },
};
const LinkQuery = Type.Object({
  expires: Type.Optional(Type.String({ description: 'of a signed link' })),
  signature: Type.Optional(Type.String({ description: 'of a signed link' })),
});

/**
 * `GET /mediafiles/...`: leads those who may see a file to where its bytes are. A token of somebody in its room will do,
 * or a link's signature. Whoever may not see it gets the answer for a file that does not exist.
 */
export function registerMedia(app: FastifyInstance, files: Files, auth: Authenticator): void {
  app.get<{ Params: { '*': string }; Querystring: Record<string, unknown> }>(
    `${FILES_PATH}*`,
    { exposeHeadRoute: false, schema: SCHEMA, config: { docs: { query: LinkQuery } } },
    async (request, reply) => {
      reply.headers(HEADERS);
      const user = (await auth.identify(request))?.user;
      const path = FILES_PATH + request.params['*'];
      return reply.redirect(await locate(path, request.query, user, files), 302);
    },
  );
}

async function locate(
  path: string,
  { expires, signature }: Record<string, unknown>,
  user: UserId | undefined,
  files: Files,
): Promise<string> {
  const linked = signature !== undefined;
  if (user === undefined) {
    if (linked) return files.urlByLink(path, expires, signature);
    throw new ChatError('unauthorized', 'authentication credentials were not provided');
  }
  try {
    const [url] = await files.urlsFor([path], user);
    return url as string;
  } catch (error) {
    if (linked && error instanceof ChatError && error.code === 'not_found') {
      return files.urlByLink(path, expires, signature);
    }
    throw error;
  }
}
