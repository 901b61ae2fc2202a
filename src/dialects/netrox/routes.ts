import type { FastifyInstance } from 'fastify';
import { parseRange } from '../../core/cursor.js';
import type { Message, Room } from '../../core/model.js';
import { jsonArray } from '../../core/streaming.js';
import type { DialectContext } from '../dialect.js';
import { routes } from './api.js';
import { type Link, messageBody, success, threadBody } from './encode.js';
import { fileRoute } from './files.js';
import { receiver } from './receiver.js';

/** The document's words, as it spells them. */
const RETRIEVED = 'Messages retreived successfully';
/** What stands around the messages of a history that is streamed. */
const HISTORY = split(JSON.stringify(success({ messages: [] }, RETRIEVED)), '[]');

type Query = Record<string, unknown>;

export function registerRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => {
      await context.authenticate(request);
    });
    historyRoute(guarded, context);
    threadsRoute(guarded, context);
    fileRoute(guarded, context);
  });
}

function historyRoute(scope: FastifyInstance, context: DialectContext): void {
  scope.get<{ Params: { uid: string } }>(
    '/chat/messages/:uid/',
    routes.listMessages,
    async (request, reply) => {
      const { user } = await context.authenticate(request);
      const other = await receiver(request.params.uid, user, context);
      const room = await context.rooms.findDirect(user, other.id);
      const range = parseRange(request.query as Query, room?.id ?? 0);
      if (!room) return success({ messages: [] }, RETRIEVED);
      const show = await renderer(room, context);
      const pages = context.messages.list(room, range);
      const stream = await jsonArray(pages, (page) => page.map(show), HISTORY);
      return reply.type('application/json; charset=utf-8').send(stream);
    },
  );
}

/** Shows messages of a room with what its participants have read by now. */
async function renderer(room: Room, context: DialectContext): Promise<(message: Message) => string> {
  const [profiles, marks] = await Promise.all([
    context.people.profiles(room.participants),
    context.receipts.marksOf(room),
  ]);
  const link: Link = (file) => context.files.link(file);
  return (message) =>
    JSON.stringify(messageBody(message, room, profiles, marks.statusOf(message) === 'read', link));
}

function threadsRoute(scope: FastifyInstance, context: DialectContext): void {
  scope.get('/chat/get-user-threads/', routes.listThreads, async (request) => {
    const { user } = await context.authenticate(request);
    const rooms = await context.rooms.of(user, ['direct']);
    const people = new Set(rooms.flatMap((room) => room.participants));
    const profiles = await context.people.profiles([...people]);
    return success(
      rooms.map((room) => threadBody(room, profiles)),
      null,
    );
  });
}

/** The two sides of an empty array in `text`, its brackets included. */
function split(text: string, array: '[]'): { before: string; after: string } {
  const at = text.indexOf(array) + 1;
  return { before: text.slice(0, at), after: text.slice(at) };
}
