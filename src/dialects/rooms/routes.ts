import type { FastifyInstance } from 'fastify';
import { parseLimit, parseRange } from '../../core/cursor.js';
import { ChatError, notFound } from '../../core/errors.js';
import { parseNumericId, type UserId } from '../../core/ids.js';
import { checkKey } from '../../core/input.js';
import type { Message, Room } from '../../core/model.js';
import { checkName, displayName, parseBefore } from '../../core/people.js';
import { otherParticipant } from '../../core/rooms.js';
import type { DialectContext } from '../dialect.js';
import { actor, type RoomsSettings } from './access.js';
import { type MessageBody, type RoomBody, routes, type UserBody } from './api.js';
import { messageBody, roomBody, userBody } from './encode.js';

/** Messages of a list without `limit`, and entries of a listing without one. */
const DEFAULT_MESSAGES = 50;
const DEFAULT_LISTED = 1_000;

type Query = Record<string, unknown>;

export function registerRoutes(
  scope: FastifyInstance,
  context: DialectContext,
  settings: RoomsSettings,
): void {
  scope.post<{ Body: UserBody }>('/api/v1/users', routes.createUser, async (request) => {
    if (!settings.localAccounts) throw notFound('page');
    // As it will read in the claims of the token: those are trimmed.
    const username = checkName(request.body.username, 'username').trim();
    const profile = await context.people.createGuest(username);
    if (settings.auth === 'trusted') return userBody(profile);
    const token = await context.mintToken(profile.id, { preferredUsername: username });
    return { ...userBody(profile), access_token: token };
  });

  scope.register(async (guarded) => {
    if (settings.auth === 'jwt') {
      guarded.addHook('onRequest', async (request) => {
        await context.authenticate(request);
      });
    }
    roomRoutes(guarded, context);
    userRoutes(guarded, context);
    messageRoutes(guarded, context, settings);
  });
}

function roomRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.post<{ Body: RoomBody }>('/api/v1/rooms', routes.createRoom, async (request) => {
    const name = checkName(request.body.name, 'name');
    return roomBody(await context.rooms.createPublic(name), name);
  });

  scope.get('/api/v1/rooms', routes.listRooms, async (request) => {
    const user = (await context.identify(request))?.user;
    const query = request.query as Query;
    const limit = parseLimit(query.limit, DEFAULT_LISTED) as number;
    const rooms = await context.rooms.list(user, limit, parseRoomId(query.before));
    const names = await namesFor(rooms, user, context);
    return rooms.map((room) => roomBody(room, names.get(room) ?? room.name));
  });

  scope.get<{ Params: { room: string } }>('/api/v1/rooms/:room', routes.getRoom, async (request) => {
    const user = (await context.identify(request))?.user;
    const room = await context.rooms.get(request.params.room, user);
    return roomBody(room, (await namesFor([room], user, context)).get(room) ?? room.name);
  });
}

function userRoutes(scope: FastifyInstance, context: DialectContext): void {
  scope.get('/api/v1/users', routes.listUsers, async (request) => {
    const query = request.query as Query;
    const limit = parseLimit(query.limit, DEFAULT_LISTED) as number;
    const viewer = (await context.identify(request))?.user;
    const users = await context.people.list(viewer, limit, parseBefore(query.before));
    return users.map(userBody);
  });

  scope.get<{ Params: { user: string } }>('/api/v1/users/:user', routes.getUser, async (request) => {
    const viewer = (await context.identify(request))?.user;
    return userBody(await context.people.lookUp(request.params.user, viewer));
  });
}

function messageRoutes(scope: FastifyInstance, context: DialectContext, settings: RoomsSettings): void {
  type Send = { Params: { room: string }; Body: MessageBody };
  scope.post<Send>('/api/v1/rooms/:room/messages', routes.sendMessage, async (request) => {
    const { content, user_id } = request.body;
    const key = checkKey(request.headers['idempotency-key'], 'Idempotency-Key');
    const { room, profile } = await actor(request, request.params.room, user_id, context, settings);
    const out = { room, sender: profile, text: content, field: 'content', via: 'rooms', key };
    return messageBody((await context.messages.send(out)).message);
  });

  scope.get<{ Params: { room: string } }>(
    '/api/v1/rooms/:room/messages',
    routes.listMessages,
    async (request) => {
      const user = (await context.identify(request))?.user;
      const room = await context.rooms.get(request.params.room, user);
      const range = parseRange(request.query as Query, room.id, DEFAULT_MESSAGES);
      const found: Message[] = [];
      for await (const page of context.messages.list(room, range)) found.push(...page);
      return found.map(messageBody);
    },
  );
}

/** The name of each direct and agent room: the other person's. */
async function namesFor(
  rooms: readonly Room[],
  user: UserId | undefined,
  context: DialectContext,
): Promise<Map<Room, string>> {
  const closed = rooms.filter((room) => room.kind !== 'public');
  if (user === undefined || closed.length === 0) return new Map();
  const others = closed.map((room) => otherParticipant(room, user));
  const profiles = await context.people.profiles(others);
  return new Map(
    closed.map((room, i) => {
      const profile = profiles.get(others[i] as UserId);
      return [room, profile ? displayName(profile) : (others[i] as UserId)];
    }),
  );
}

function parseRoomId(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const id = typeof value === 'string' ? parseNumericId('room', value) : undefined;
  if (id === undefined)
    throw new ChatError('bad_request', 'before must be the id of a room', { field: 'before' });
  return id;
}
