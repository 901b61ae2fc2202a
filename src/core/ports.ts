/**
 * What the core asks of the outside, as guarantees. `redis/` and `storage/` keep them; tests hold
 * them to it. Every method rejects with a ChatError `unavailable` within its deadline when the
 * outside does not answer, and with nothing else unless it says so.
 */

import type { ProfileClaims } from './identity.js';
import type { Offset, RoomId, UserId } from './ids.js';
import type {
  Attachment,
  EphemeralEvent,
  Message,
  Nonce,
  Position,
  Profile,
  Room,
  RoomEvent,
} from './model.js';

/** A message that has no offset yet. */
export interface Draft {
  readonly room: Room;
  readonly sender: UserId;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly via: string;
  readonly nonce: Nonce;
  /** The same key of the same sender in the same room stores one message within 24 h. */
  readonly key: string | undefined;
  /** The sender's profile, when live readers need it to show the message. */
  readonly profile: Profile | undefined;
}

export interface Appended {
  readonly offset: Offset;
  readonly createdMs: number;
  /** The key was seen before: this is where the first message stands, and nothing was stored. */
  readonly repeated: boolean;
}

/** The truth: one log per room, contiguous from offset 1. */
export interface Log {
  /**
   * Stores the draft at the room's next offset and publishes it, in one atomic step. Resolves only
   * when it is stored (and, with durability `durable`, copied). Drafts of one caller to one room
   * are stored in the order of the calls.
   * @throws ChatError `unavailable`: certainly not stored; `in_doubt`: unknown, repeat with the same
   *   key; `not_found`: no such room
   */
  append(draft: Draft): Promise<Appended>;
  /** Up to `count` messages above `after`, oldest first. Fewer only at the end of the log. */
  readAfter(room: RoomId, after: Offset, count: number): Promise<Message[]>;
  /** The newest `count` messages at or below `upTo`, oldest first. */
  readBefore(room: RoomId, upTo: Offset, count: number): Promise<Message[]>;
  /** The message at `offset`, undefined when it was erased, trimmed, or never was. */
  readOne(room: RoomId, offset: Offset): Promise<Message | undefined>;
  /** The newest position of each room, in the order asked; offset 0 for an empty room. */
  tips(rooms: readonly RoomId[]): Promise<Position[]>;
  /** Of `rooms`, those with an append in the last minute, and the Redis time (ms) of the newest. */
  recentlyAppended(rooms: readonly RoomId[]): Promise<Map<RoomId, number>>;
}

/** What the fan-out calls. Calls are synchronous and in the order of publication per room. */
export interface FanOutHandler {
  onEvents(room: RoomId, events: RoomEvent[]): void;
  /** These rooms' subscriptions were (re)made: whatever was published before may be lost. */
  onSubscribed(rooms: readonly RoomId[]): void;
}

/** The fast way to readers; may lose, never reorders. */
export interface FanOut {
  /** Resolves when the subscription is acknowledged: whatever is published from now on arrives, or `onSubscribed` comes again. */
  subscribe(room: RoomId): Promise<void>;
  unsubscribe(room: RoomId): void;
  publish(room: RoomId, event: EphemeralEvent): Promise<void>;
}

/** Rooms. What they return never changes, so it may be kept. */
export interface RoomStore {
  get(room: RoomId): Promise<Room | undefined>;
  getMany(rooms: readonly RoomId[]): Promise<(Room | undefined)[]>;
  createPublic(name: string): Promise<Room>;
  /** Public rooms with an id below `before`, newest `limit` of them, oldest first. */
  listPublic(limit: number, before: RoomId | undefined): Promise<Room[]>;
  /** The ids of the direct and agent rooms `user` is in, at most `limit`, newest first. */
  listOf(user: UserId, limit: number): Promise<RoomId[]>;
}

/** People. */
export interface UserStore {
  get(user: UserId): Promise<Profile | undefined>;
  getMany(users: readonly UserId[]): Promise<(Profile | undefined)[]>;
  /**
   * Creates the user when unknown, and takes over what the claims say when they are newer than what is
   * stored (`issuedAtS`: the token's age decides).
   */
  ensure(user: UserId, claims: ProfileClaims, issuedAtS: number | undefined): Promise<Profile>;
  /** A new user with the next free number. */
  createLocal(claims: ProfileClaims): Promise<Profile>;
  /** Users, the newest `limit` of them before user `before`, oldest first. */
  list(limit: number, before: UserId | undefined): Promise<Profile[]>;
}

/** Who is where, over all nodes. */
export interface Presence {
  /**
   * Counts `user` in `room` on this node until `leave`. Idempotent. The first node to count a user
   * publishes `joined`, the last one to stop publishes `left`; above the presence limit neither.
   */
  enter(room: RoomId, user: UserId): void;
  /** `graceMs`: how long the user may take to come back before anyone hears of it. */
  leave(room: RoomId, user: UserId, graceMs: number): void;
}
