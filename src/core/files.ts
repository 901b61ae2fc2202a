import { randomUUID } from 'node:crypto';
import { ChatError, notFound } from './errors.js';
import { type FileLinks, LINK_SECONDS } from './file-links.js';
import type { FileStore, ObjectStore, StoredFile, TypeDetector } from './file-ports.js';
import { cleanFileName, servingOf } from './filenames.js';
import type { FileId, RoomId, UserId } from './ids.js';
import { looksLikeMarkup, UNKNOWN_TYPE } from './media-types.js';
import type { Attachment, Room } from './model.js';
import type { RoomStore } from './ports.js';
import { mayRead } from './rooms.js';

/** Where files are found over HTTP; the object's key follows. */
export const FILES_PATH = '/mediafiles/';
/** First bytes of a file that tell what it is. */
const HEAD_BYTES = 16_384;
const FILE_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A file whose bytes are stored, and that belongs to nothing yet. It is kept or discarded by whoever received it. */
export type ReceivedFile = Omit<StoredFile, 'room' | 'attached'>;

export interface FilesOptions {
  readonly store: FileStore;
  readonly objects: ObjectStore;
  readonly rooms: RoomStore;
  readonly detect: TypeDetector;
  readonly links: FileLinks;
  /** Most files that one message holds; 0: no limit. */
  readonly maxFiles: number;
}

/** Files: received, bound to a room, held by messages, and shown to those who may see them. */
export class Files {
  readonly #options: FilesOptions;

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /**
   * Stores a file's bytes. It belongs to no room and nobody finds it until {@link keep}.
   * @throws ChatError `unavailable`; whatever `source` throws. Nothing is kept then.
   */
  async receive(
    owner: UserId,
    givenName: string | undefined,
    source: AsyncIterable<Uint8Array>,
  ): Promise<ReceivedFile> {
    const { store, objects, detect } = this.#options;
    const chunks = source[Symbol.asyncIterator]();
    try {
      const first = await take(chunks, HEAD_BYTES);
      const head = Buffer.concat(first).subarray(0, HEAD_BYTES);
      const { contentType, extension } = looksLikeMarkup(head) ? UNKNOWN_TYPE : await detect(head);
      const id = randomUUID();
      const key = objectKey(id, extension);
      await store.begin(id, key, owner);
      try {
        const size = await objects.put(key, chain(first, chunks));
        return { id, key, owner, name: cleanFileName(givenName), size, contentType };
      } catch (error) {
        await this.remove(id);
        throw error;
      }
    } finally {
      await chunks.return?.();
    }
  }

  /**
   * Binds received files to a room: from now on their owner may attach them there.
   * @returns how messages hold them, in the order given
   * @throws ChatError `unavailable`
   */
  async keep(files: readonly ReceivedFile[], room: Room): Promise<Attachment[]> {
    for (const file of files) {
      const kept = await this.#options.store.keep({ ...file, room: room.id, attached: false });
      if (!kept) throw new ChatError('unavailable', 'the upload took too long', { retryAfterS: 1 });
    }
    return files.map(attachmentOf);
  }

  /**
   * Removes files that were received for nothing: the message for which they were attached, if any, is certainly not
   * stored. Never throws: what cannot be removed now is swept later.
   */
  async discard(files: readonly ReceivedFile[]): Promise<void> {
    for (const { id } of files) await this.#remove(id, true);
  }

  /** Removes a file unless a message holds it. Never throws. */
  remove(id: FileId): Promise<void> {
    return this.#remove(id, false);
  }

  async #remove(id: FileId, held: boolean): Promise<void> {
    const { store, objects } = this.#options;
    try {
      const key = await store.condemn(id, held);
      if (key === undefined) return;
      await objects.remove(key);
      await store.forget(id);
    } catch {
      // The sweeper finds it again.
    }
  }

  /**
   * The files that `references` name, for a message that `owner` is about to send to `room`: they stay from now on.
   * @throws ChatError bad_request, naming `field`, unless each was uploaded by `owner` to that room
   */
  async attach(
    references: readonly string[],
    owner: UserId,
    room: Room | undefined,
    field: string,
  ): Promise<Attachment[]> {
    const { store, maxFiles } = this.#options;
    if (maxFiles > 0 && references.length > maxFiles) {
      throw new ChatError('bad_request', `${field} must not be more than ${maxFiles}`, { field });
    }
    const files = await this.#find(references);
    const refuse = () =>
      new ChatError('bad_request', `${field} must be files that you uploaded to this chat`, { field });
    const own = files.filter((file) => file !== undefined).filter((file) => file.owner === owner);
    if (own.length < files.length || own.some((file) => file.room !== room?.id)) throw refuse();
    const attached = await Promise.all(own.map(({ id }) => store.attach(id)));
    if (attached.includes(false)) throw refuse();
    return [...new Map(own.map((file) => [file.id, attachmentOf(file)])).values()];
  }

  /**
   * For each reference an address at which anybody may fetch the file for a short time.
   * @throws ChatError not_found when `viewer` may not know of one of them, or it does not exist: nobody can tell which
   */
  async urlsFor(references: readonly string[], viewer: UserId): Promise<string[]> {
    const files = await this.#find(references);
    const rooms = await this.#roomsOf(files);
    const visible = files
      .filter((file) => file !== undefined)
      .filter((file) => isVisible(file, rooms, viewer));
    if (visible.length < references.length) throw notFound('file');
    return Promise.all(visible.map((file) => this.#presign(file)));
  }

  /**
   * The same for a link of {@link link}: its path, and what its query says.
   * @throws ChatError not_found unless the link is good
   */
  async urlByLink(path: string, expires: unknown, signature: unknown): Promise<string> {
    const allowed = this.#options.links.allows(path, expires, signature);
    const [file] = allowed ? await this.#find([path]) : [];
    if (!file) throw notFound('file');
    return this.#presign(file);
  }

  /** A file's path with a short-lived signature: it needs no token. */
  link({ file }: Pick<Attachment, 'file'>): string {
    return this.#options.links.sign(file);
  }

  #presign(file: StoredFile): Promise<string> {
    return this.#options.objects.presign(file.key, servingOf(file), LINK_SECONDS);
  }

  async #find(references: readonly string[]): Promise<(StoredFile | undefined)[]> {
    const parsed = references.map(parseReference);
    const found = await this.#options.store.getMany(parsed.flatMap((one) => (one ? [one.id] : [])));
    const files = new Map(found.flatMap((file) => (file ? [[file.id, file]] : [])));
    return parsed.map((one) => {
      const file = one && files.get(one.id);
      return file && names(one.path, file.key) ? file : undefined;
    });
  }

  async #roomsOf(files: readonly (StoredFile | undefined)[]): Promise<Map<RoomId, Room>> {
    const ids = [...new Set(files.flatMap((file) => (file ? [file.room] : [])))];
    const rooms = await this.#options.rooms.getMany(ids);
    return new Map(rooms.flatMap((room) => (room ? [[room.id, room]] : [])));
  }
}

// What no message holds yet is its uploader's alone.
function isVisible(file: StoredFile, rooms: ReadonlyMap<RoomId, Room>, viewer: UserId): boolean {
  const room = rooms.get(file.room);
  return file.owner === viewer || (file.attached && room !== undefined && mayRead(room, viewer));
}

function attachmentOf({ key, name, size, contentType }: ReceivedFile): Attachment {
  return { file: FILES_PATH + key, name, size, contentType };
}

function objectKey(id: FileId, extension: string): string {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
  return `attachments/${day}/${id}.${extension}`;
}

// A reference is the file's path, with or without what stands before and after it in a URL, or its last part.
function parseReference(reference: string): { id: FileId; path: string } | undefined {
  const path = reference.split(/[?#]/, 1)[0] as string;
  const id = path.slice(path.lastIndexOf('/') + 1).split('.', 1)[0] as string;
  return FILE_ID.test(id) ? { id, path } : undefined;
}

function names(path: string, key: string): boolean {
  return path === key.slice(key.lastIndexOf('/') + 1) || path.endsWith(FILES_PATH + key);
}

async function take(chunks: AsyncIterator<Uint8Array>, bytes: number): Promise<Uint8Array[]> {
  const taken: Uint8Array[] = [];
  for (let size = 0; size < bytes; ) {
    const next = await chunks.next();
    if (next.done) break;
    taken.push(next.value);
    size += next.value.length;
  }
  return taken;
}

async function* chain(
  first: Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* first.splice(0);
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
