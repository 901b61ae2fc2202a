import type { RoomId, UserId } from '../core/ids.js';
import type { ContactStore } from '../core/ports.js';
import { inBulk } from './bulk.js';
import { type Client, guard } from './connection.js';
import { decodeId, encodeId, keys } from './keys.js';
import type { RedisRooms } from './rooms.js';

/** People of one listing, and rooms looked at for it, at most. */
const MAX_CONTACTS = 10_000;
const MAX_ROOMS = 10_000;
/** Fields of one step through a room's people. */
const STEP = 1_000;
/** How long the public rooms that somebody is in are believed, in ms, and of how many people. */
const FRESH_MS = 5_000;
const KEPT_USERS = 1_000;

/**
 * Who shares a room with whom, worked out from the rooms when it is asked: there is no index that could go stale. One is
 * in a public room after one's first message, and while connected.
 */
export class RedisContacts implements ContactStore {
  readonly #client: Client;
  readonly #rooms: RedisRooms;
  readonly #publicOf = new Map<UserId, { readAt: number; rooms: readonly RoomId[] }>();

  /** `client`: with role `commands`. */
  constructor(client: Client, rooms: RedisRooms) {
    this.#client = client;
    this.#rooms = rooms;
  }

  async contactsOf(user: UserId): Promise<UserId[]> {
    const people = new Set<UserId>([user, ...(await this.#partnersOf(user))]);
    for (const room of await this.#publicRoomsOf(user)) {
      if (people.size >= MAX_CONTACTS) break;
      await this.#addPeopleOf(room, people);
    }
    const users = [...people].slice(0, MAX_CONTACTS);
    const made = await guard(this.#client.zmscore(keys.users, ...users));
    return users
      .map((id, i) => ({ id, at: made[i] }))
      .filter(({ at }) => at !== null)
      .sort((a, b) => Number(a.at) - Number(b.at) || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }

  async areContacts(a: UserId, b: UserId): Promise<boolean> {
    if (a === b || (await this.#partnersOf(a)).has(b)) return true;
    const shared = await this.#areIn(await this.#publicRoomsOf(a), b);
    return shared.includes(true);
  }

  /** Those with whom the user has a direct or agent room. */
  async #partnersOf(user: UserId): Promise<Set<UserId>> {
    const rooms = await this.#rooms.getMany(await this.#rooms.listOf(user, MAX_ROOMS));
    return new Set(rooms.flatMap((room) => room?.participants ?? []));
  }

  async #publicRoomsOf(user: UserId): Promise<readonly RoomId[]> {
    const known = this.#publicOf.get(user);
    if (known && known.readAt > Date.now() - FRESH_MS) return known.rooms;
    const open = (await this.#rooms.listPublic(MAX_ROOMS, undefined)).map((room) => room.id);
    const inside = await this.#areIn(open, user);
    const rooms = open.filter((_, i) => inside[i]);
    this.#publicOf.delete(user);
    if (this.#publicOf.size >= KEPT_USERS)
      this.#publicOf.delete(this.#publicOf.keys().next().value as UserId);
    this.#publicOf.set(user, { readAt: Date.now(), rooms });
    return rooms;
  }

  /** Whether the user is in each of the public rooms. */
  #areIn(rooms: readonly RoomId[], user: UserId): Promise<boolean[]> {
    const field = encodeId(user);
    return inBulk(this.#client, rooms, async (redis, room) => {
      const [wrote, connected] = await Promise.all([
        redis.hget(keys.members(room), field),
        redis.hget(keys.here(room), field),
      ]);
      return wrote !== null || connected !== null;
    });
  }

  async #addPeopleOf(room: RoomId, people: Set<UserId>): Promise<void> {
    for (const key of [keys.members(room), keys.here(room)]) {
      let cursor = '0';
      do {
        const [next, flat] = await guard(this.#client.hscan(key, cursor, 'COUNT', STEP));
        for (let i = 0; i < flat.length; i += 2) {
          const field = flat[i] as string;
          // In `here` other fields count something else; an encoded id has neither character.
          if (!/[|#]/.test(field)) people.add(decodeId(field));
        }
        cursor = next;
      } while (cursor !== '0' && people.size < MAX_CONTACTS);
    }
  }
}
