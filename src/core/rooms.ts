import { ChatError, notFound } from './errors.js';
import { parseNumericId, type RoomId, type UserId } from './ids.js';
import type { Room, RoomKind } from './model.js';
import type { RoomStore } from './ports.js';

/** Rooms of one user that a list shows at most. */
const MAX_OWN_ROOMS = 10_000;

/** Rooms, as far as a viewer may know of them. */
export class Rooms {
  readonly #store: RoomStore;
  readonly #agent: boolean;

  /** `agent`: whether there is one that answers. */
  constructor(store: RoomStore, agent = false) {
    this.#store = store;
    this.#agent = agent;
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

  /** The direct room of two people, undefined when there is none yet. */
  findDirect(a: UserId, b: UserId): Promise<Room | undefined> {
    return this.#store.findDirect(a, b);
  }

  /**
   * The direct room of two people, made when there is none: exactly one, whoever asks first.
   * @throws ChatError bad_request when it is one and the same person
   */
  async openDirect(a: UserId, b: UserId): Promise<{ room: Room; created: boolean }> {
    if (a === b) throw new ChatError('bad_request', 'you cannot chat with yourself');
    return this.#store.openDirect(a, b);
  }

  /**
   * A new room of `user` and the AI agent.
   * @throws ChatError unavailable where no agent is configured
   */
  async openAgent(user: UserId): Promise<Room> {
    if (!this.#agent) throw new ChatError('unavailable', 'no AI agent is configured here');
    return this.#store.createAgent(user);
  }

  /** The direct and agent rooms of `user`, newest first. */
  async of(user: UserId, kinds: readonly RoomKind[]): Promise<Room[]> {
    const rooms = await this.#store.getMany(await this.#store.listOf(user, MAX_OWN_ROOMS));
    return rooms.filter(isFor(user)).filter((room) => kinds.includes(room.kind));
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
    const all = [...open, ...own.filter(isFor(viewer))];
    return all.sort((a, b) => a.id - b.id).slice(-limit);
  }
}

/** What of a list of `viewer`'s is theirs: it may name a room that a fail-over lost, and whose number is others' now. */
function isFor(viewer: UserId): (room: Room | undefined) => room is Room {
  return (room): room is Room => room !== undefined && mayRead(room, viewer);
}

/** Whether `viewer` may know of a room: everyone of public ones, participants of the others. */
export function mayRead(room: Room, viewer: UserId | undefined): boolean {
  return room.kind === 'public' || (viewer !== undefined && room.participants.includes(viewer));
}

/** The participant of a direct or agent room that is not `viewer`. */
export function otherParticipant(room: Room, viewer: UserId): UserId {
  return room.participants.find((user) => user !== viewer) ?? viewer;
}
