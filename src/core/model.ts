import type { MessageId, Offset, RoomId, UserId } from './ids.js';

/** Marks one attempt to append; the log and the events carry it, so that a lost answer can be looked up. */
export type Nonce = string;

/** A place in a room's log: the offset, and the nonce of the entry there ('' at offset 0). */
export interface Position {
  readonly offset: Offset;
  readonly nonce: Nonce;
}

/** A file shown with a message. `file` is the stable reference it is found by. */
export interface Attachment {
  readonly file: string;
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
}

/** One entry of a room's log. Never changes once appended. */
export interface Message extends Position {
  readonly room: RoomId;
  readonly sender: UserId;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  /** Redis time in ms since the epoch; never before the previous entry's. */
  readonly createdMs: number;
  /** The dialect it was sent through. */
  readonly via: string;
}

/** `direct`: a pair of people. `public`: everyone may read and join. `agent`: a person and the AI agent. */
export type RoomKind = 'direct' | 'public' | 'agent';

/** What never changes about a room. */
export interface Room {
  readonly id: RoomId;
  readonly kind: RoomKind;
  /** A public room's name; '' for the others. */
  readonly name: string;
  readonly createdMs: number;
  /** Who may read a direct or agent room; empty for public ones. */
  readonly participants: readonly UserId[];
}

/** What is known of a person. Null where nothing is. */
export interface Profile {
  readonly id: UserId;
  readonly email: string | null;
  readonly name: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly picture: string | null;
  readonly role: string | null;
  readonly username: string | null;
  readonly createdMs: number;
}

/** A profile of which only the id is known. */
export function bareProfile(id: UserId): Profile {
  return {
    id,
    email: null,
    name: null,
    firstName: null,
    lastName: null,
    picture: null,
    role: null,
    username: null,
    createdMs: 0,
  };
}

/** How far a message got with its receiver. */
export type ReceiptStatus = 'delivered' | 'read';

/** Somebody came into a room or left it, over all their sockets and all nodes. */
export interface PresenceEvent {
  readonly kind: 'presence';
  readonly user: UserId;
  readonly change: 'joined' | 'left';
  readonly atMs: number;
}

/** `user` has `status` for the message at `offset`. */
export interface ReceiptEvent {
  readonly kind: 'receipt';
  readonly user: UserId;
  readonly status: ReceiptStatus;
  readonly offset: Offset;
  /** Who sent the message, and through which dialect. */
  readonly sender: UserId;
  readonly via: string;
}

/** The agent is writing: text that comes before the stored message. */
export interface DeltaEvent {
  readonly kind: 'delta';
  readonly text: string;
  /** Whether it begins the answer anew: what was shown of it before is void. */
  readonly anew: boolean;
}

/** An attachment message is announced live to readers that wait for it. */
export interface AnnounceEvent {
  readonly kind: 'announce';
  readonly message: Message;
}

/** What a room's channel carries besides messages. Lost when the channel is: nothing in the log depends on it. */
export type EphemeralEvent = PresenceEvent | ReceiptEvent | DeltaEvent | AnnounceEvent;

/** A message as it comes live: with the nonce of the entry before it, and its sender's profile where readers need it. */
export interface MessageEvent {
  readonly kind: 'message';
  readonly message: Message;
  readonly prev: Nonce;
  readonly profile: Profile | undefined;
}

export type RoomEvent = MessageEvent | EphemeralEvent;

/** What concerns one user, on all their sockets. */
export type UserEvent =
  /** A room was made with the user in it. */
  | { readonly kind: 'room'; readonly room: RoomId }
  /** A receipt of the user's message is to be repeated until a front end confirms it. Comes before the receipt itself. */
  | {
      readonly kind: 'owed';
      readonly messageId: MessageId;
      readonly status: ReceiptStatus;
      readonly by: UserId;
    }
  /** A receipt was confirmed by one of the user's front ends: stop repeating it. */
  | { readonly kind: 'settled'; readonly messageId: MessageId; readonly status: ReceiptStatus };
