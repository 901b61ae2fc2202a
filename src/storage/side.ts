import { randomUUID } from 'node:crypto';
import { FileLinks } from '../core/file-links.js';
import type { FileStore, ObjectStore } from '../core/file-ports.js';
import { Files } from '../core/files.js';
import type { RoomStore } from '../core/ports.js';
import { Sweeper } from '../core/sweeper.js';
import { detectType } from './detect.js';
import { NoObjectStore } from './none.js';
import { type S3Options, S3Store } from './s3.js';

type Place = Pick<S3Options, 'endpoint' | 'publicEndpoint' | 'accessKey' | 'secretKey'>;

export interface StorageOptions
  extends Pick<S3Options, 'region' | 'bucket' | 'maxBytes' | 'log'>,
    Record<keyof Place, string | undefined> {
  /** Secrets that all nodes share, for the signatures of links; the store's own where there are none. */
  readonly linkSecrets: readonly string[];
  /** Most files that one message holds; 0: no limit. */
  readonly maxFiles: number;
  /** Age at which what no message holds is removed, in ms; 0: never. */
  readonly sweepAgeMs: number;
  readonly store: FileStore;
  readonly rooms: RoomStore;
}

/** Everything of a node that has to do with files: the store, if there is one, and who looks after it. */
export class StorageSide {
  readonly files: Files;
  readonly #s3: S3Store | undefined;
  readonly #sweeper: Sweeper;

  constructor(options: StorageOptions) {
    const { store, rooms, maxFiles, log } = options;
    this.#s3 = connect(options);
    const objects: ObjectStore = this.#s3 ?? new NoObjectStore();
    const secrets =
      options.linkSecrets.length > 0 ? options.linkSecrets : [options.secretKey ?? randomUUID()];
    const links = new FileLinks(secrets);
    this.files = new Files({ store, objects, rooms, detect: detectType, links, maxFiles });
    this.#sweeper = new Sweeper({
      files: this.files,
      store,
      objects,
      ageMs: this.#s3 ? options.sweepAgeMs : 0,
      onRound: (removed) => log.info(removed, 'removed files that no message holds'),
      onError: (error) =>
        log.warn({ error: String(error) }, 'could not look for files that no message holds'),
    });
  }

  /** Starts what runs by itself. A store that is away is waited for; nobody else waits for it. */
  start(): void {
    void this.#s3?.start();
    this.#sweeper.start();
  }

  async close(): Promise<void> {
    await this.#sweeper.close();
    this.#s3?.close();
  }
}

function connect(options: StorageOptions): S3Store | undefined {
  const { endpoint, publicEndpoint, accessKey, secretKey } = options;
  if (!endpoint || !publicEndpoint || !accessKey || !secretKey) return undefined;
  return new S3Store({ ...options, endpoint, publicEndpoint, accessKey, secretKey });
}
