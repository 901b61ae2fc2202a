import type { Since } from '../core/cursor.js';
import type { ChatError } from '../core/errors.js';
import type { RoomId, UserId } from '../core/ids.js';
import type { EphemeralEvent, Nonce, Position, Room } from '../core/model.js';
import type { Encoder, Ref } from '../core/rendering.js';
import type { Tail } from './tail.js';

/** What a feed sees of a socket that reads it. */
export interface Reader {
  readonly user: UserId;
  readonly encoder: Encoder;
  readonly closed: boolean;
  /** This reader and no other: what each of its feeds holds that nobody else reads. Never written to. */
  readonly alone: readonly Reader[];
  /** More is waiting for this socket than it may have: hand it nothing. */
  readonly stalled: boolean;
  /** Nonces of its sends whose messages have not come back yet; kept by PendingSends. */
  readonly sent: Nonce[];
  /** Queues finished frames. */
  push(chunk: Buffer): void;
  /** Takes an event that it was sent a frame for, or would have been. */
  readonly onEvent: ((event: EphemeralEvent, room: Room) => void) | undefined;
  /** Whether this socket has not been shown the message with files that has this nonce; from now on it has. */
  firstSight(nonce: Nonce): boolean;
  /** Queues an answer to something that the client itself sent. */
  reply(text: string): void;
  replyError(error: ChatError, ref?: Ref): void;
  /** Resolves when there is room in the outbox again, or the session is closed. */
  capacity(): Promise<void>;
  /** Where it is behind in `feed`; undefined when it is live there. */
  positionIn(feed: Feed): Position | undefined;
  /** Leaves live delivery in `feed`: goes on from the log after `position`. */
  fallBehind(feed: Feed, position: Position): void;
  /** Notes that a reader that is behind has everything up to `position`. */
  advance(feed: Feed, position: Position): void;
  /** A reader that is behind has caught up with the head. */
  goLive(feed: Feed): void;
  /** Entries above `position` are gone from the log: go on from there. */
  rewind(feed: Feed, position: Position): void;
  /** The log has nothing in common any more with what was read: start over. */
  restart(feed: Feed): void;
  /** The room of `feed` is gone. */
  lose(feed: Feed): void;
  /** Whether the reader has to start over in `feed`; asked once. */
  takeRestart(feed: Feed): boolean;
}

/** The readers of a feed. That of a single one is its own, shared by all its feeds: it is never written to. */
export const NOBODY: readonly Reader[] = [];

/** `readers` and `reader`. What was given may be changed, and is not to be used any more. */
export function withReader(readers: readonly Reader[], reader: Reader): readonly Reader[] {
  if (readers.length === 0) return reader.alone;
  if (readers.length === 1) return [readers[0] as Reader, reader];
  (readers as Reader[]).push(reader);
  return readers;
}

/**
 * `readers` without `reader`, which may not be among them; as {@link withReader}. The last one takes its place: whoever hands
 * out from the end to the start meets every other reader once.
 */
export function withoutReader(readers: readonly Reader[], reader: Reader): readonly Reader[] {
  const at = readers.indexOf(reader);
  if (at < 0) return readers;
  if (readers.length === 1) return NOBODY;
  const last = (readers as Reader[]).pop() as Reader;
  if (at < readers.length) (readers as Reader[])[at] = last;
  return readers;
}

/** What a reader sees of a feed. */
export interface Feed {
  readonly id: RoomId;
  readonly room: Room;
  /** Whether it is over for good: nothing is handed out any more. */
  readonly closed: boolean;
  /** The newest message handed out. */
  readonly head: Position;
  /** The newest messages. Another object from the moment on that the log turns out to have another history. */
  readonly tail: Tail;
  /** The nonce handed out at `offset`, as far as this node remembers. */
  nonceAt(offset: number): Nonce | undefined;
  /** Whether the reader was shown this message before: a fail-over took it back, and it was stored again in its place. */
  wasShown(reader: Reader, message: Position): boolean;
  /** The reader starts, or starts over: whatever it was shown does not count. */
  forgetShown(reader: Reader): void;
  /** Hands what came in this turn to the live readers, and answers how much it was. */
  flush(): number;
  /**
   * Compares with the log's tip, read while the head was at `headThen`; reads the log when they differ. Answers whether it
   * reads the log now.
   */
  checkTip(tip: Position, headThen: number): boolean;
  /** The reader has everything up to the head: from now on it is handed what comes. */
  addLive(reader: Reader): void;
  /** The reader goes on from the log, until it calls `addLive`. */
  addBehind(reader: Reader): void;
  remove(reader: Reader): void;
}

/** Where a reader starts. */
export type ReadStart =
  | { from: 'position'; position: Position } // what this feed hands out after a place where it was
  | { from: 'newest' } // the newest page, then what comes
  | { from: 'since'; since: Since } // everything after a place
  | { from: 'reset' }; // as `newest`, after saying that its place is gone

/** Brings a reader to the head of a feed and makes it live there. */
export interface CatchUpRunner {
  /** Resolves when the reader is live or closed, or the room is lost. Never rejects: without Redis it waits for it. */
  run(reader: Reader, feed: Feed, start?: ReadStart): Promise<void>;
}
