import { AGENT_USER, LAST_NUMBER, type RoomId, type UserId } from '../core/ids.js';
import type { Room, RoomKind } from '../core/model.js';
import type { Head, RoomStore } from '../core/ports.js';
import { fieldsOf, fieldsOfThoseThere } from './bulk.js';
import { type Client, guard, onNewPrimary, unavailable } from './connection.js';
import { channels, keys } from './keys.js';
import { parseTip } from './log.js';
import { runScript, scripts } from './scripts.js';
import type { Writes } from './writes.js';

/** What a room is never changes: the newest of them are kept here. */
const KEPT_ROOMS = 20_000;
/** A pair's room is looked up again after so long, in ms: a fail-over may have lost it, and another taken its place. */
const PAIR_FRESH_MS = 60_000;
/** Rooms read at once that are kept: a longer list would push out what is in use. */
const KEPT_OF_A_LIST = 50;
/** Numbers tried for a new room: more than one only after a fail-over rolled the counter back. */
const MAX_NUMBER_TRIES = 10_000;

const FIELDS = ['kind', 'name', 'participants', 'created'];
const CREATED = 3;
const KINDS: readonly RoomKind[] = ['direct', 'public', 'agent'];

/** Rooms in Redis hashes. */
export class RedisRooms implements RoomStore {
  readonly #client: Client;
  readonly #writes: Writes;
  readonly #kept = new Map<RoomId, Room>();
  /** By the pair's key; until when (monotonic ms). Each message of a socket for all chats asks for one. */
  readonly #pairs = new Map<string, { room: Room; until: number }>();
  readonly #linked = new Set<RoomId>();

  /** `client`: with role `commands`. */
  constructor(client: Client, writes: Writes) {
    this.#client = client;
    this.#writes = writes;
    // Whoever is primary now may not have all rooms, and may give their numbers to others.
    onNewPrimary(client, () => {
      this.#kept.clear();
      this.#pairs.clear();
      this.#linked.clear();
    });
  }

  async get(room: RoomId): Promise<Room | undefined> {
    return this.#kept.get(room) ?? (await this.getMany([room]))[0];
  }

  /** Drops what is remembered of a room that turns out to be gone. */
  forget({ id, participants }: Room): void {
    this.#kept.delete(id);
    this.#linked.delete(id);
    const [a, b] = participants;
    if (a !== undefined && b !== undefined) this.#pairs.delete(keys.direct(a, b));
  }

  async getMany(rooms: readonly RoomId[]): Promise<(Room | undefined)[]> {
    const found = rooms.map((room) => this.#kept.get(room));
    const missing = rooms.filter((_, i) => !found[i]);
    if (missing.length === 0) return found;
    const rows = await fieldsOf(this.#client, missing.map(keys.room), FIELDS);
    const read = rows.map((row, i) => decodeRoom(missing[i] as RoomId, row));
    if (read.length <= KEPT_OF_A_LIST) for (const room of read) if (room) this.#keep(room);
    let next = 0;
    return found.map((room) => room ?? read[next++]);
  }

  async heads(rooms: readonly RoomId[]): Promise<(Head | 'away' | undefined)[]> {
    const rows = await fieldsOfThoseThere(this.#client, rooms.map(keys.room), [...FIELDS, 'tip']);
    const people = new Map<string, UserId>();
    return rows.map((row, i) => {
      if (!row) return 'away';
      const id = rooms[i] as RoomId;
      const kept = this.#kept.get(id);
      const room = kept && row[CREATED] === String(kept.createdMs) ? kept : decodeRoom(id, row, people);
      return room && { room, tip: parseTip(row[FIELDS.length] ?? null) };
    });
  }

  async createPublic(name: string): Promise<Room> {
    const room = await this.#create('public', name, []);
    await this.#writes.write(keys.publicRooms, (redis) =>
      redis.zadd(keys.publicRooms, room.id, String(room.id)),
    );
    return room;
  }

  async findDirect(a: UserId, b: UserId): Promise<Room | undefined> {
    return (await this.#ofPair(a, b)).room;
  }

  async openDirect(a: UserId, b: UserId): Promise<{ room: Room; created: boolean }> {
    const { room: known, gone } = await this.#ofPair(a, b);
    if (known) return { room: known, created: false };
    // In this order, so that a crash after any step leaves nothing that is half there: room, pair, both lists.
    const made = await this.#create('direct', '', [a, b].sort());
    const pair = keys.direct(a, b);
    const winner = await this.#writes.write(pair, (redis) =>
      runScript(redis, scripts.claimPair, [pair], [made.id, gone]),
    );
    if (Number(winner) !== made.id) {
      // The other end was faster. Nobody knows of this room: it is dropped, its number stays unused.
      this.#kept.delete(made.id);
      await guard(this.#client.del(keys.room(made.id)));
      const { room } = await this.#ofPair(a, b);
      if (!room) throw unavailable(new Error('the pair has no room'));
      return { room, created: false };
    }
    await this.#link(made);
    return { room: made, created: true };
  }

  /** The room of a pair, linked; `gone`: what the pair's key says all the same, `''` when it says nothing. */
  async #ofPair(a: UserId, b: UserId): Promise<{ room: Room | undefined; gone: string }> {
    const pair = keys.direct(a, b);
    const known = this.#pairs.get(pair);
    if (known && performance.now() < known.until) return { room: known.room, gone: '' };
    const id = await guard(this.#client.get(pair));
    const room = id === null ? undefined : await this.get(Number(id));
    // A fail-over may have kept the key and lost the room, and its number be somebody else's by now.
    if (!room || !isOf(room, a, b)) return { room: undefined, gone: id ?? '' };
    await this.#link(room);
    keepNewest(this.#pairs, pair, { room, until: performance.now() + PAIR_FRESH_MS });
    return { room, gone: '' };
  }

  async createAgent(user: UserId): Promise<Room> {
    const room = await this.#create('agent', '', [user, AGENT_USER]);
    await this.#link(room);
    return room;
  }

  async versions(users: readonly UserId[]): Promise<(number | undefined)[]> {
    const rows = await fieldsOfThoseThere(this.#client, users.map(keys.user), ['rooms_version']);
    return rows.map((row) => row && Number(row[0] ?? 0));
  }

  async listPublic(limit: number, before: RoomId | undefined): Promise<Room[]> {
    const max = before === undefined ? '+inf' : `(${before}`;
    const ids = await guard(
      this.#client.zrange(keys.publicRooms, max, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit),
    );
    const rooms = await this.getMany(ids.reverse().map(Number));
    return rooms.filter((room) => room !== undefined);
  }

  async listOf(user: UserId, limit: number): Promise<RoomId[]> {
    const ids = (await guard(this.#client.smembers(keys.userRooms(user)))).map(Number);
    return ids.sort((a, b) => b - a).slice(0, limit);
  }

  async #create(kind: RoomKind, name: string, participants: readonly UserId[]): Promise<Room> {
    for (let tries = 0; tries < MAX_NUMBER_TRIES; tries += 1) {
      const id = await guard(this.#client.incr(keys.roomCounter));
      if (id > LAST_NUMBER) break; // its messages would have no ids
      const key = keys.room(id);
      const args = [kind, name, JSON.stringify(participants)];
      const created = await this.#writes.write(key, (redis) =>
        runScript(redis, scripts.createRoom, [key], args),
      );
      if (created !== 0) return this.#keep({ id, kind, name, participants, createdMs: created as number });
    }
    throw unavailable(new Error('no free room number'));
  }

  /** Puts a room into its participants' lists, unless that is known to be done. Whoever meets it undone does it. */
  async #link(room: Room): Promise<void> {
    if (this.#linked.has(room.id)) return;
    const done = await guard(this.#client.hget(keys.room(room.id), 'linked'));
    if (done === null) {
      // The agent reads no list, and one of all its rooms would grow for ever.
      const users = room.participants.filter((each) => each !== AGENT_USER);
      await Promise.all(users.map((user) => this.#linkUser(room.id, user)));
      await guard(this.#client.hset(keys.room(room.id), 'linked', '1'));
    }
    if (this.#linked.size >= KEPT_ROOMS) this.#linked.clear();
    this.#linked.add(room.id);
  }

  async #linkUser(room: RoomId, user: UserId): Promise<void> {
    const touched = [keys.userRooms(user), keys.user(user)];
    const args = [room, channels.user(user)];
    await this.#writes.write(keys.user(user), (redis) => runScript(redis, scripts.linkUser, touched, args));
  }

  #keep(room: Room): Room {
    keepNewest(this.#kept, room.id, room);
    return room;
  }
}

function isOf({ kind, participants }: Room, a: UserId, b: UserId): boolean {
  return (
    kind === 'direct' && participants.length === 2 && participants.includes(a) && participants.includes(b)
  );
}

/** Sets an entry as the newest one; the oldest goes when there are too many. */
function keepNewest<K, V>(entries: Map<K, V>, key: K, value: V): void {
  entries.delete(key);
  if (entries.size >= KEPT_ROOMS) entries.delete(entries.keys().next().value as K);
  entries.set(key, value);
}

/** `people`: ids seen before. Who is in all rooms of a list is one string in all of them. */
function decodeRoom(
  id: RoomId,
  row: readonly (string | null)[],
  people = new Map<string, UserId>(),
): Room | undefined {
  const [stored, name, participants, created] = row;
  const kind = KINDS.find((known) => known === stored); // one string for all rooms
  if (!kind) return undefined;
  const inIt = (JSON.parse(participants as string) as UserId[]).map((user) => {
    const known = people.get(user);
    if (known === undefined) people.set(user, user);
    return known ?? user;
  });
  return { id, kind, name: name as string, participants: inIt, createdMs: Number(created) };
}
