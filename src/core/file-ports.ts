/** What files ask of the outside, in the manner of `ports.ts`. */

import type { Serving } from './filenames.js';
import type { FileId, RoomId, UserId } from './ids.js';
import type { DetectedType } from './media-types.js';

/** A file that is stored and belongs to a room. */
export interface StoredFile {
  readonly id: FileId;
  /** Where its bytes are. */
  readonly key: string;
  readonly owner: UserId;
  readonly room: RoomId;
  readonly name: string;
  readonly size: number;
  readonly contentType: string;
  /** Whether a message holds it. */
  readonly attached: boolean;
}

/** What is known of files. A file that no message holds is listed until one does, so that it can be removed. */
export interface FileStore {
  /** Notes a file whose bytes are about to be stored: whatever becomes of this node, they are found and removed. */
  begin(id: FileId, key: string, owner: UserId): Promise<void>;
  /**
   * Its bytes are stored: from now on the file is found.
   * @returns false when it was removed meanwhile
   */
  keep(file: StoredFile): Promise<boolean>;
  /** The files that are kept, in the order asked. */
  getMany(ids: readonly FileId[]): Promise<(StoredFile | undefined)[]>;
  /**
   * A message is about to hold the file: it stays for good.
   * @returns false when it is not there any more
   */
  attach(id: FileId): Promise<boolean>;
  /**
   * Claims a file that no message holds for removal; none can hold it from now on. `held`: also one that was attached
   * for a message which is certainly not stored. It is listed until it is forgotten.
   * @returns its key; undefined when a message holds it, or it is not there: it is not listed any more then
   */
  condemn(id: FileId, held: boolean): Promise<string | undefined>;
  /** A claimed file's bytes are gone: nothing is known of it any more. */
  forget(id: FileId): Promise<void>;
  /** At most `limit` files that no message holds, begun or kept more than `ageMs` ago, oldest first. */
  unattached(ageMs: number, limit: number): Promise<FileId[]>;
  /** Whether this node is the one that removes files for the next `forMs`. */
  claimSweep(forMs: number): Promise<boolean>;
}

/** Where the bytes of files are. Nothing of it is needed for messages. */
export interface ObjectStore {
  /**
   * Stores what `source` yields, in memory that does not grow with it. When `source` or the store fails, nothing is kept.
   * @returns the size in bytes
   * @throws ChatError `unavailable`; whatever `source` throws
   */
  put(key: string, source: AsyncIterable<Uint8Array>): Promise<number>;
  /** Removes an object. One that is not there is no error. */
  remove(key: string): Promise<void>;
  /** An address at which anybody may fetch the object for `seconds`, served as `serving` says. */
  presign(key: string, serving: Serving, seconds: number): Promise<string>;
  /**
   * Ends what was begun more than `ageMs` ago and never finished.
   * @returns how many
   */
  sweep(ageMs: number): Promise<number>;
}

/** Tells what a file is from its first bytes, whatever anybody says it is. */
export type TypeDetector = (head: Uint8Array) => Promise<DetectedType>;
