/**
 * What the core asks of the outside, as guarantees. `redis/` and `storage/` keep them; tests hold
 * them to it. Every method rejects with a ChatError `unavailable` within its deadline when the
 * outside does not answer, and with nothing else unless it says so.
 */

import type { ProfileClaims } from './identity.js';
import type { MessageId, Offset, RoomId, UserId } from './ids.js';
import type { MemberMarks } from './marks.js';
import type {
  Attachment,
  EphemeralEvent,
  Message,
  Nonce,
  Position,
  Profile,
  ReceiptStatus,
  Room,
  RoomEvent,
  UserEvent,
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
   *   key; `not_found`: no such room; `too_large`: the room has as many messages as there are ids
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
  /**
   * Of `rooms`, those with an append in the last minute, and the second of the newest (Redis time, in ms); without those
   * whose primary does not answer, while another one does.
   */
  recentlyAppended(rooms: Pick<ReadonlySet<RoomId>, 'keys' | 'has'>): Promise<Map<RoomId, number>>;
}

/** A room and its newest position; offset 0 while it is empty. */
export interface Head {
  readonly room: Room;
  readonly tip: Position;
}

/** What a list of rooms shows of one of them to one of its members. */
export interface RoomState {
  readonly tip: Position;
  readonly last: Message | undefined;
  /** Messages in the log that the member has not read and did not send. */
  readonly unread: number;
}

/** How far messages got with members. */
export interface ReceiptStore {
  /**
   * Marks a message for `user` and publishes it when that is news. Idempotent; never goes back.
   * @returns whether it is news; undefined when there is no such message. One's own message: no news.
   */
  mark(room: RoomId, user: UserId, offset: Offset, status: ReceiptStatus): Promise<boolean | undefined>;
  /** What is marked for each of `users`. */
  marks(room: RoomId, users: readonly UserId[]): Promise<MemberMarks[]>;
  /** What each room is like for `user`, in the order asked. */
  states(rooms: readonly RoomId[], user: UserId): Promise<RoomState[]>;
  /**
   * Notes that `user`'s front ends are to be told until one confirms; all sockets of the user hear of it. Bounded:
   * newest {@link MAX_OWED}, 24 h.
   */
  owe(user: UserId, owed: Owed): Promise<void>;
  /** Oldest first. */
  owed(user: UserId): Promise<Owed[]>;
  /**
   * A front end of `user` has confirmed; all sockets of the user hear of it.
   * @returns whether it was owed
   */
  settle(user: UserId, owed: Pick<Owed, 'messageId' | 'status'>): Promise<boolean>;
}

/** Receipts of one user that are repeated until confirmed, at most. */
export const MAX_OWED = 200;

/** A receipt that is repeated until confirmed. */
export interface Owed {
  readonly messageId: MessageId;
  readonly status: ReceiptStatus;
  /** Who has received or read. */
  readonly by: UserId;
}

/** What the fan-out calls. Calls are synchronous and in the order of publication per room. */
export interface FanOutHandler {
  onEvents(room: RoomId, events: RoomEvent[]): void;
  onUserEvent(user: UserId, event: UserEvent): void;
  /** These subscriptions were made anew: whatever was published before may be lost. */
  onSubscribed(rooms: readonly RoomId[], users: readonly UserId[]): void;
}

/** The fast way to readers; may lose, never reorders. */
export interface FanOut {
  /** Resolves when all of them are acknowledged: whatever is published from now on arrives, or `onSubscribed` comes again. */
  subscribe(rooms: readonly RoomId[]): Promise<void>;
  unsubscribe(room: RoomId): void;
  /** The same for what concerns one user. */
  subscribeUser(user: UserId): Promise<void>;
  unsubscribeUser(user: UserId): void;
  publish(room: RoomId, event: EphemeralEvent): Promise<void>;
}

/** Rooms. What they return never changes, so it may be kept. */
export interface RoomStore {
  get(room: RoomId): Promise<Room | undefined>;
  getMany(rooms: readonly RoomId[]): Promise<(Room | undefined)[]>;
  /** Rooms with their newest positions, read at once; undefined: there is no such room. `away`: nobody answers for it. */
  heads(rooms: readonly RoomId[]): Promise<(Head | 'away' | undefined)[]>;
  createPublic(name: string): Promise<Room>;
  /** The pair's one direct room, undefined when there is none yet. */
  findDirect(a: UserId, b: UserId): Promise<Room | undefined>;
  /**
   * The pair's one direct room, made when there is none: one, also when both ends ask at once on two nodes. Before it
   * resolves, the room is in both users' lists and both have been told.
   */
  openDirect(a: UserId, b: UserId): Promise<{ room: Room; created: boolean }>;
  /** A new room of `user` and the agent, in the user's list, and the user has been told. */
  createAgent(user: UserId): Promise<Room>;
  /** Public rooms with an id below `before`, newest `limit` of them, oldest first. */
  listPublic(limit: number, before: RoomId | undefined): Promise<Room[]>;
  /** The ids of the direct and agent rooms `user` is in, at most `limit`, newest first. */
  listOf(user: UserId, limit: number): Promise<RoomId[]>;
  /** For each user a number that changes whenever a room is added to their list; undefined: nobody answers for them. */
  versions(users: readonly UserId[]): Promise<(number | undefined)[]>;
}

/** People. */
export interface UserStore {
  get(user: UserId): Promise<Profile | undefined>;
  getMany(users: readonly UserId[]): Promise<(Profile | undefined)[]>;
  /** What is known of a user without asking: what was read or told last. */
  known(user: UserId): Profile | undefined;
  /**
   * Creates the user when unknown, and takes over what the claims say when they are newer than what is
   * stored (`issuedAtS`: the token's age decides).
   */
  ensure(user: UserId, claims: ProfileClaims, issuedAtS: number | undefined): Promise<Profile>;
  /** A new user with the next free number. */
  createLocal(claims: ProfileClaims): Promise<Profile>;
  /** Users, the newest `limit` of them before user `before`, oldest first. */
  list(limit: number, before: UserId | undefined): Promise<Profile[]>;
  /** Up to `count` users after user `after` (undefined: from the first), oldest first. Fewer only at the end. */
  listAfter(after: UserId | undefined, count: number): Promise<Profile[]>;
}

/** Who shares a room with whom: a direct or agent room, or a public one that both are in. */
export interface ContactStore {
  /** `user` and those who share a room with them, in the order in which they were made, oldest first. Bounded. */
  contactsOf(user: UserId): Promise<UserId[]>;
  areContacts(a: UserId, b: UserId): Promise<boolean>;
}

/** Accounts with a password, by e-mail. An e-mail is given in the one form that its spellings share. */
export interface AccountStore {
  find(email: string): Promise<{ user: UserId; hash: string } | undefined>;
  /**
   * A new user with the next free number, who owns `email` from now on: one user, also when several ask at once.
   * Undefined when the e-mail is taken. A crash at any point leaves the e-mail free, or with an account that works.
   */
  create(email: string, hash: string, claims: ProfileClaims): Promise<Profile | undefined>;
  /** The profile of the account's user; undefined when the number is somebody else's by now. */
  open(user: UserId, email: string): Promise<Profile | undefined>;
}

/** Attempts, counted over all nodes. */
export interface AttemptStore {
  /**
   * Counts an attempt, unless `max` were counted in the window that began with the first of them.
   * @returns 0 when it was counted, else the ms until the window ends
   */
  take(subject: string, max: number, windowMs: number): Promise<number>;
  /** An attempt that counted does not count. */
  giveBack(subject: string): Promise<void>;
}

/** Passwords as slow hashes. @throws ChatError unavailable when more is to be done than can be done in time */
export interface PasswordHasher {
  hash(password: string): Promise<string>;
  verify(hash: string, password: string): Promise<boolean>;
}

/** What a ticket stands for: one socket of one user in one room. */
export interface Grant {
  readonly user: UserId;
  readonly room: RoomId;
  /** When the token ends with which the ticket was got (ms since the epoch); undefined: never. */
  readonly expiresAt: number | undefined;
}

/** Tickets that open one socket each, within seconds. */
export interface Tickets {
  issue(grant: Grant): Promise<string>;
  /** What the ticket stands for; undefined when it is none, is used, or is too old. It is used from now on. */
  redeem(ticket: string): Promise<Grant | undefined>;
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
  /** Counts a socket of `user` on this node until `offline`. */
  online(user: UserId): void;
  offline(user: UserId, graceMs: number): void;
  /** Notes that `user` did something. Kept to the minute. */
  touch(user: UserId): void;
  /** Undefined: never active. */
  status(user: UserId): Promise<{ online: boolean; seenMs: number } | undefined>;
}

/** Where a reader of many rooms stands. Kept for 7 days. */
export interface CursorStore {
  /** @returns a handle for {@link load} */
  save(positions: ReadonlyMap<RoomId, Position>): Promise<string>;
  /** Undefined: never there, or too old. */
  load(handle: string): Promise<Map<RoomId, Position> | undefined>;
}
