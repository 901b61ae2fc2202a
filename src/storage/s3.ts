import { randomUUID } from 'node:crypto';
import type { Agent, IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, S3Error } from 'minio';
import { ChatError } from '../core/errors.js';
import type { ObjectStore } from '../core/file-ports.js';
import type { Serving } from '../core/filenames.js';
import { storeAgent } from './agent.js';
import { describe, StoreHealth, type StoreLog } from './health.js';
import { type Part, partsOf } from './parts.js';

/** A part of a multipart upload, and what one upload holds in memory: the least that S3 takes, and the most for files beyond 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024;
const LARGE_PART_BYTES = 8 * 1024 * 1024;
/** Parts that S3 takes for one object. */
const MAX_PARTS = 10_000;
const MAX_SOCKETS = 64;
/** Between two looks for a store that was away at the start, and what the check of its public address may take; in ms. */
const RETRY_MS = 5_000;
const CHECK_MS = 4_000;
/** A connection on which nothing moves for this long is given up, in ms: putting a large object together takes its time. */
const IDLE_MS = 60_000;
/** What an object is in the store, whatever it holds: an address without our signature shows nothing. */
const STORED_TYPE = 'application/octet-stream';
const PREFIX = 'attachments/';
const HAVE_BUCKET: ReadonlySet<string | undefined> = new Set([
  'BucketAlreadyOwnedByYou',
  'BucketAlreadyExists',
]);

export interface S3Options {
  /** Origin of the store for this node, and for clients. */
  readonly endpoint: string;
  readonly publicEndpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Largest object in bytes; 0: no limit. */
  readonly maxBytes: number;
  readonly log: StoreLog;
}

/** Files in any store that speaks S3. Nothing of it is beyond S3 itself. */
export class S3Store implements ObjectStore {
  readonly #options: S3Options;
  readonly #agent: Agent;
  readonly #client: Client;
  readonly #public: Client;
  readonly #health: StoreHealth;
  readonly #partBytes: number;
  readonly #closed = new AbortController();

  constructor(options: S3Options) {
    this.#options = options;
    this.#agent = storeAgent(options.endpoint.startsWith('https:'), MAX_SOCKETS, IDLE_MS);
    this.#client = connect(options, options.endpoint, this.#agent);
    this.#public = connect(options, options.publicEndpoint);
    this.#health = new StoreHealth(() => this.#ensureBucket(), options.endpoint, options.log);
    const fits = options.maxBytes > 0 && options.maxBytes <= PART_BYTES * MAX_PARTS;
    this.#partBytes = fits ? PART_BYTES : LARGE_PART_BYTES;
  }

  /** Makes the bucket where it is missing, as soon as the store answers; then looks whether clients reach the same store. */
  async start(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#health.prove();
        return await this.#checkPublicEndpoint();
      } catch {
        // What is wrong was logged.
        await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  close(): void {
    this.#closed.abort();
    this.#health.close();
    this.#agent.destroy();
  }

  async put(key: string, source: AsyncIterable<Uint8Array>): Promise<number> {
    await this.#health.prove();
    let size = 0;
    let upload: string | undefined;
    const etags: { part: number; etag: string }[] = [];
    try {
      for await (const part of partsOf(source, this.#partBytes)) {
        size += part.bytes.length;
        if (part.last && upload === undefined) {
          await this.#send(key, '', part);
          return size;
        }
        upload ??= await this.#call(() =>
          this.#client.initiateNewMultipartUpload(this.#bucket, key, { 'content-type': STORED_TYPE }),
        );
        const number = etags.length + 1;
        if (number > MAX_PARTS) throw new ChatError('too_large', 'the file is too large');
        const query = `partNumber=${number}&uploadId=${encodeURIComponent(upload)}`;
        etags.push({ part: number, etag: await this.#send(key, query, part) });
      }
      const id = upload as string;
      await this.#call(() => this.#client.completeMultipartUpload(this.#bucket, key, id, etags));
      return size;
    } catch (error) {
      // Where this fails too, the sweeper ends the upload.
      if (upload !== undefined) await this.#abort(key, upload).catch(() => undefined);
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    await this.#health.prove();
    await this.#call(() => this.#client.removeObject(this.#bucket, key));
  }

  async presign(key: string, serving: Serving, seconds: number): Promise<string> {
    await this.#health.prove();
    return this.#public.presignedGetObject(this.#bucket, key, seconds, {
      'response-content-type': serving.contentType,
      'response-content-disposition': serving.disposition,
    });
  }

  async sweep(ageMs: number): Promise<number> {
    const before = Date.now() - ageMs;
    let after = '';
    let ended = 0;
    for (;;) {
      // A key has one upload: where the next page begins needs no more than the key.
      const page = await this.#call(() =>
        this.#client.listIncompleteUploadsQuery(this.#bucket, PREFIX, after, '', ''),
      );
      for (const { key, uploadId, initiated } of page.uploads) {
        if (initiated.getTime() > before) continue;
        await this.#abort(key, String(uploadId));
        ended += 1;
      }
      if (!page.isTruncated || page.nextKeyMarker === '') return ended;
      after = page.nextKeyMarker;
    }
  }

  get #bucket(): string {
    return this.#options.bucket;
  }

  // The hash was made while the bytes came in: hashing a whole part at once would hold up everybody's messages.
  async #send(key: string, query: string, { bytes, sha256 }: Part): Promise<string> {
    const headers = { 'content-type': STORED_TYPE, 'content-length': String(bytes.length) };
    const request = { method: 'PUT', bucketName: this.#bucket, objectName: key, query, headers };
    const hash = this.#client.enableSHA256 ? sha256 : '';
    return this.#call(async () => {
      const response = await this.#client.makeRequestStreamAsync(request, bytes, hash, [200], '');
      await drain(response);
      return (response.headers.etag ?? '').replace(/^"|"$/g, '');
    });
  }

  async #abort(key: string, upload: string): Promise<void> {
    await this.#health.prove();
    await this.#call(() => this.#client.abortMultipartUpload(this.#bucket, key, upload));
  }

  #call<T>(request: () => Promise<T>): Promise<T> {
    return this.#health.run(request);
  }

  async #ensureBucket(): Promise<void> {
    if (await this.#client.bucketExists(this.#bucket)) return;
    try {
      await this.#client.makeBucket(this.#bucket, this.#options.region);
      this.#options.log.info({ bucket: this.#bucket }, 'made the bucket for files');
    } catch (error) {
      // Another node was faster.
      if (!(error instanceof S3Error && HAVE_BUCKET.has(error.code))) throw error;
    }
  }

  async #checkPublicEndpoint(): Promise<void> {
    const { publicEndpoint, log } = this.#options;
    const key = `${PREFIX}check/${randomUUID()}`;
    const token = randomUUID();
    await this.put(key, one(Buffer.from(token)));
    try {
      const url = await this.#public.presignedGetObject(this.#bucket, key, 60);
      const response = await fetch(url, { signal: AbortSignal.timeout(CHECK_MS), redirect: 'manual' });
      if ((await response.text()) !== token) throw new Error(`it answers ${response.status}`);
    } catch (error) {
      log.warn(
        { endpoint: publicEndpoint, error: describe(error) },
        'S3_PUBLIC_ENDPOINT does not lead this node to the same store: clients may not be able to fetch files',
      );
    } finally {
      await this.remove(key).catch(() => undefined);
    }
  }
}

function connect(options: S3Options, endpoint: string, agent?: Agent): Client {
  const { protocol, hostname, port } = new URL(endpoint);
  return new Client({
    endPoint: hostname.replace(/^\[|\]$/g, ''),
    useSSL: protocol === 'https:',
    ...(port === '' ? {} : { port: Number(port) }),
    region: options.region,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    ...(agent ? { transportAgent: agent } : {}),
    // Requests are repeated here, where it is known what may be.
    retryOptions: { disableRetry: true },
  });
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function drain(response: IncomingMessage): Promise<void> {
  for await (const _ of response);
}
