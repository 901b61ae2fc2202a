import type { UserId } from '../../core/ids.js';
import { bareProfile, type Room } from '../../core/model.js';
import type { RoomState } from '../../core/ports.js';
import { otherParticipant } from '../../core/rooms.js';
import type { DialectContext } from '../dialect.js';
import { chatJson, messageJson } from './encode.js';

/** Chats that are looked at at once: their last messages are in memory together. */
const PAGE = 100;

/**
 * The chats of `user`, most recently active first. Only the order is kept in memory: what is shown of each chat is read
 * page by page, so that thousands of long last messages are never held at once.
 */
export async function* chatPages(user: UserId, context: DialectContext): AsyncGenerator<Room[]> {
  const rooms = await context.rooms.of(user, ['direct']);
  const activity = new Map<Room, number>();
  for (const page of pagesOf(rooms)) {
    const states = await context.receipts.states(page, user);
    for (const [i, room] of page.entries()) activity.set(room, states[i]?.last?.createdMs ?? room.createdMs);
  }
  const at = (room: Room) => activity.get(room) as number;
  yield* pagesOf(rooms.sort((a, b) => at(b) - at(a) || b.id - a.id));
}

/** What a page of the list shows. */
export async function renderChats(
  rooms: readonly Room[],
  user: UserId,
  context: DialectContext,
): Promise<string[]> {
  const others = rooms.map((room) => otherParticipant(room, user));
  const [states, profiles] = await Promise.all([
    context.receipts.states(rooms, user),
    context.people.profiles(others),
  ]);
  return Promise.all(
    rooms.map(async (room, i) => {
      const other = others[i] as UserId;
      const state = states[i] as RoomState;
      const last = await lastMessage(room, state, context);
      return chatJson(room, profiles.get(other) ?? bareProfile(other), state, last);
    }),
  );
}

async function lastMessage(room: Room, { last }: RoomState, context: DialectContext): Promise<string> {
  if (!last) return 'null';
  const marks = await context.receipts.marksOf(room);
  return messageJson(last, room, marks.statusOf(last));
}

function* pagesOf(rooms: readonly Room[]): Generator<Room[]> {
  for (let i = 0; i < rooms.length; i += PAGE) yield rooms.slice(i, i + PAGE);
}
