import { notFound } from './errors.js';
import { parseNumericId, type RoomId, type UserId } from './ids.js';
import type { Room } from './model.js';
import type { RoomStore } from './ports.js';

/** Rooms of one user that a list shows at most. */
const MAX_OWN_ROOMS = 1_000;

/** Rooms, as far as a viewer may know of them. */
export class Rooms {
  readonly #store: RoomStore;

  constructor(store: RoomStore) {
    this.#store = store;
  }

  createPublic(name: string): Promise<Room> {
    return this.#store.createPublic(name);
  }

  /**
   * The room that `reference` names (decimal or UUID).
   * @throws ChatError not_found when there is none, or `viewer` may not know of it: nobody can tell which
   */
  async get(reference: string, viewer: UserId | undefined): Promise<Room> {
    const id = parseNumericId('room', reference);
    const room = id === undefined ? undefined : await this.#store.get(id);
    if (!room || !mayRead(room, viewer)) throw notFound('room');
    return room;
  }

  /**
   * Public rooms, and the viewer's own direct and agent rooms: the newest `limit` with an id below
   * `before`, oldest first.
   */
  async list(viewer: UserId | undefined, limit: number, before: RoomId | undefined): Promise<Room[]> {
    const open = await this.#store.listPublic(limit, before);
    if (viewer === undefined) return open;
    const ids = await this.#store.listOf(viewer, MAX_OWN_ROOMS);
    const own = await this.#store.getMany(ids.filter((id) => before === undefined || id < before));
    const all = [...open, ...own.filter((room) => room !== undefined)];
    return all.sort((a, b) => a.id - b.id).slice(-limit);
  }
}

/** Whether `viewer` may know of a room: everyone of public ones, participants of the others. */
export function mayRead(room: Room, viewer: UserId | undefined): boolean {
  return room.kind === 'public' || (viewer !== undefined && room.participants.includes(viewer));
}

/** The participant of a direct or agent room that is not `viewer`. */
export function otherParticipant(room: Room, viewer: UserId): UserId {
  return room.participants.find((user) => user !== viewer) ?? viewer;
}
