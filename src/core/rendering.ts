import type { ChatError } from './errors.js';
import type { UserId } from './ids.js';
import type { MessageStatus } from './marks.js';
import type { EphemeralEvent, Message, Profile, Room } from './model.js';

/** What a client put into `ref`, given back as it came. */
export type Ref = string | number;

/** What a message is shown with. */
export interface MessageContext {
  readonly room: Room;
  /** The sender's profile; only its id is sure when the encoder does not need profiles. */
  readonly profile: Profile;
  /** True for a message just sent, false for one read from the log. */
  readonly live: boolean;
  /** How far it has got with its receivers; `sent` for a live one, and where the encoder does not need marks. */
  readonly status: MessageStatus;
}

/**
 * How a dialect says things on a socket: one JSON text per frame, null where it says nothing. Frames of
 * `message` and `event` are made once and shared by all sockets with the same encoder.
 */
export interface Encoder {
  /** The dialect, as in metrics. */
  readonly dialect: string;
  readonly needsProfiles: boolean;
  /** Whether messages from the log are shown with how far they have got. */
  readonly needsMarks?: boolean;
  message(message: Message, context: MessageContext): string | null;
  /** Whether the acknowledgement of a send without `ref` is the frame that everybody gets: then `own` is not asked. */
  readonly ownIsShared: boolean;
  /** The same for the socket that sent it: its acknowledgement. */
  own(message: Message, context: MessageContext, ref: Ref | undefined): string | null;
  event(event: EphemeralEvent, room: Room): string | null;
  /** Whether a socket of `user` is to get the event. */
  wants(event: EphemeralEvent, user: UserId): boolean;
  /** Several messages from the log in one frame, for dialects that have such a frame. */
  readonly page?: (messages: readonly Message[], room: Room) => string;
  /** `ref`: as the offending frame had it, fit to be one or not. */
  error(error: ChatError, ref: Ref | undefined): string;
  cursor(cursor: string): string;
  /** The reader's place in the log no longer exists: what follows starts over. */
  reset(): string;
}
