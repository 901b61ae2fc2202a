import type { FastifyInstance, FastifyReply } from 'fastify';
import { parseRange } from '../../core/cursor.js';
import { notFound } from '../../core/errors.js';
import { checkKey } from '../../core/input.js';
import { bareProfile, type Message, type Room } from '../../core/model.js';
import { jsonArray } from '../../core/streaming.js';
import { toSeconds } from '../../core/time.js';
import type { DialectContext } from '../dialect.js';
import { CHAT_KINDS, chatOf, messageOf, seenUser, userReference } from './access.js';
import { type MessageBody, routes, type StartBody } from './api.js';
import { chatBody, messageJson, userBody } from './encode.js';

type OneChat = { Params: { chat: string } };

/** Every path below `/chat/`, each with a token. */
export function registerRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.register(async (guarded) => {
    guarded.addHook('onRequest', async (request) => {
      await context.authenticate(request);
    });
    chatRoutes(guarded, context);
    messageRoutes(guarded, context);
    guarded.register(async (inner) => readRoute(inner, context));
    statusRoute(guarded, context);
  });
}

function chatRoutes(scope: FastifyInstance, context: DialectContext): void {
  const { rooms, people } = context;

  // Newest first.
  scope.get('/chat/chats/', routes.listChats, async (request) => {
    const { user } = await context.authenticate(request);
    const chats = await rooms.of(user, CHAT_KINDS);
    const profiles = await people.profiles([...new Set(chats.flatMap((chat) => chat.participants))]);
    return chats.map((chat) => chatBody(chat, profiles));
  });

  scope.get<OneChat>('/chat/chats/:chat/', routes.getChat, async (request) => {
    const { user } = await context.authenticate(request);
    const chat = await chatOf(request.params.chat, user, context);
    return chatBody(chat, await people.profiles(chat.participants));
  });

  scope.post<{ Body: StartBody }>('/chat/chats/start/', routes.startChat, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const other = await people.get(userReference(request.body.user_id));
    const { room, created } = await rooms.openDirect(user, other.id);
    return reply.code(created ? 201 : 200).send(chatBody(room, await people.profiles(room.participants)));
  });
}

function messageRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.get<OneChat>('/chat/chats/:chat/messages/', routes.listMessages, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const chat = await chatOf(request.params.chat, user, context);
    const range = parseRange(request.query as Record<string, unknown>, chat.id);
    const render = await rendererFor(chat, context);
    const pages = context.messages.list(chat, range);
    return sendJson(reply, await jsonArray(pages, (page) => page.map(render)));
  });

  type Send = OneChat & { Body: MessageBody };
  scope.post<Send>('/chat/chats/:chat/messages/', routes.sendMessage, async (request, reply) => {
    const { user } = await context.authenticate(request);
    const chat = await chatOf(request.params.chat, user, context);
    const key = checkKey(request.headers['idempotency-key'], 'Idempotency-Key');
    const sender = await context.people.get(user);
    const out = { room: chat, sender, text: request.body.content, field: 'content', via: 'chats', key };
    const { message, repeated } = await context.messages.send(out);
    // What was sent before may have been read since.
    const isRead = repeated && (await context.receipts.marksOf(chat)).statusOf(message) === 'read';
    return sendJson(reply.code(201), messageJson(message, JSON.stringify(userBody(sender)), isRead));
  });
}

function readRoute(scope: FastifyInstance, context: DialectContext): void {
  // The document gives this request no body: whatever comes instead of none is ignored.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => done(null));

  scope.patch<{ Params: { message: string } }>(
    '/chat/messages/:message/read/',
    routes.markRead,
    async (request) => {
      const { user } = await context.authenticate(request);
      const { room, message } = await messageOf(request.params.message, user, context);
      await context.receipts.mark(room, user, message.offset, 'read');
      return { status: 'marked as read' };
    },
  );
}

function statusRoute(scope: FastifyInstance, context: DialectContext): void {
  scope.get<{ Params: { user: string } }>('/chat/users/:user/status/', routes.userStatus, async (request) => {
    const { user } = await context.authenticate(request);
    const other = await seenUser(request.params.user, user, context);
    const status = await context.presence.status(other.id);
    if (!status) throw notFound('User status');
    return { is_online: status.online, last_seen: toSeconds(status.seenMs) };
  });
}

/** Shows messages of one chat as they are now: by whom, and whether they are read. */
async function rendererFor(chat: Room, context: DialectContext): Promise<(message: Message) => string> {
  const [marks, people] = await Promise.all([
    context.receipts.marksOf(chat),
    context.people.profiles(chat.participants),
  ]);
  const senders = new Map<string, string>();
  return (message) => {
    let sender = senders.get(message.sender);
    if (sender === undefined) {
      sender = JSON.stringify(userBody(people.get(message.sender) ?? bareProfile(message.sender)));
      senders.set(message.sender, sender);
    }
    return messageJson(message, sender, marks.statusOf(message) === 'read');
  };
}

function sendJson(reply: FastifyReply, json: string | NodeJS.ReadableStream): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json);
}
