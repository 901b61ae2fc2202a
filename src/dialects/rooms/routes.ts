import type { FastifyInstance, FastifyRequest } from 'fastify';
import { parseLimit, parseRange } from '../../core/cursor.js';
import { ChatError, notFound } from '../../core/errors.js';
import { parseNumericId, type UserId } from '../../core/ids.js';
import type { Message, Room } from '../../core/model.js';
import { canonicalUserId, checkName, displayName } from '../../core/people.js';
import { otherParticipant } from '../../core/rooms.js';
import { checkKey } from '../../core/text.js';
import type { DialectContext } from '../dialect.js';
import { actor, type RoomsSettings, viewer } from './access.js';
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
  roomRoutes(scope, context, settings);
  userRoutes(scope, context, settings);
  messageRoutes(scope, context, settings);
}

function roomRoutes(scope: FastifyInstance, context: DialectContext, settings: RoomsSettings): void {
  scope.post('/rooms', async (request) => {
    await viewer(request, context, settings);
    const name = checkName(bodyOf(request).name, 'name');
    const room = await context.rooms.createPublic(name);
    return roomBody(room, name);
  });

  scope.get('/rooms', async (request) => {
    const user = (await viewer(request, context, settings))?.user;
    const query = request.query as Query;
    const limit = parseLimit(query.limit, DEFAULT_LISTED) as number;
    const rooms = await context.rooms.list(user, limit, parseRoomId(query.before));
    const names = await namesFor(rooms, user, context);
    return rooms.map((room) => roomBody(room, names.get(room) ?? room.name));
  });

  scope.get<{ Params: { room: string } }>('/rooms/:room', async (request) => {
    const user = (await viewer(request, context, settings))?.user;
    const room = await context.rooms.get(request.params.room, user);
    return roomBody(room, (await namesFor([room], user, context)).get(room) ?? room.name);
  });
}

function userRoutes(scope: FastifyInstance, context: DialectContext, settings: RoomsSettings): void {
  scope.post('/users', async (request) => {
    if (!settings.localAccounts) throw notFound('page');
    const username = checkName(bodyOf(request).username, 'username');
    const profile = await context.people.createGuest(username);
    if (settings.auth === 'trusted') return userBody(profile);
    const token = await context.mintToken(profile.id, { preferredUsername: username });
    return { ...userBody(profile), access_token: token };
  });

  scope.get('/users', async (request) => {
    await viewer(request, context, settings);
    const query = request.query as Query;
    const limit = parseLimit(query.limit, DEFAULT_LISTED) as number;
    const users = await context.people.list(limit, parseUserId(query.before));
    return users.map(userBody);
  });

  scope.get<{ Params: { user: string } }>('/users/:user', async (request) => {
    await viewer(request, context, settings);
    return userBody(await context.people.get(request.params.user));
  });
}

function messageRoutes(scope: FastifyInstance, context: DialectContext, settings: RoomsSettings): void {
  scope.post<{ Params: { room: string } }>('/rooms/:room/messages', async (request) => {
    const body = bodyOf(request);
    const key = checkKey(request.headers['idempotency-key'], 'Idempotency-Key');
    const { room, profile } = await actor(request, request.params.room, body.user_id, context, settings);
    if (body.type !== undefined && body.type !== 'text') {
      throw new ChatError('bad_request', 'type must be "text"', { field: 'type' });
    }
    const out = { room, sender: profile, text: body.content, field: 'content', via: 'rooms', key };
    return messageBody((await context.messages.send(out)).message);
  });

  scope.get<{ Params: { room: string } }>('/rooms/:room/messages', async (request) => {
    const user = (await viewer(request, context, settings))?.user;
    const room = await context.rooms.get(request.params.room, user);
    const range = parseRange(request.query as Query, room.id, DEFAULT_MESSAGES);
    const found: Message[] = [];
    for await (const page of context.messages.list(room, range)) found.push(...page);
    return found.map(messageBody);
  });
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

function bodyOf(request: FastifyRequest): Record<string, unknown> {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ChatError('bad_request', 'the body must be a JSON object');
  }
  return body as Record<string, unknown>;
}

function parseRoomId(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const id = typeof value === 'string' ? parseNumericId('room', value) : undefined;
  if (id === undefined)
    throw new ChatError('bad_request', 'before must be the id of a room', { field: 'before' });
  return id;
}

function parseUserId(value: unknown): UserId | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return canonicalUserId(value);
  throw new ChatError('bad_request', 'before must be the id of a user', { field: 'before' });
}
