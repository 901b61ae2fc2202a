import { randomUUID } from 'node:crypto';
import type { Agent, IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, S3Error } from 'minio';
import { ChatError } from '../core/errors.js';
import type { Serving } from '../core/filenames.js';
import type { ObjectStore } from '../core/ports.js';
import { storeAgent } from './agent.js';
import { type Part, partsOf } from './parts.js';

/** A part of a multipart upload, and what one upload holds in memory: the least that S3 takes, and the most for files beyond 48 GiB. */
const PART_BYTES = 5 * 1024 * 1024;
const LARGE_PART_BYTES = 8 * 1024 * 1024;
/** Parts that S3 takes for one object. */
const MAX_PARTS = 10_000;
const MAX_SOCKETS = 64;
/** A connection on which nothing moves for this long is given up, in ms: putting a large object together takes its time. */
const IDLE_MS = 60_000;
/** For how long an answer proves that the store is there, and how long it may take to prove it, in ms. */
const FRESH_MS = 5_000;
const PROBE_MS = 4_000;
/** A request that takes longer than this has the store looked at, in ms; so many looks in vain, and it is given up. */
const LOOK_MS = 4_000;
const LOOKS = 2;
const RETRY_S = 5;
/** What an object is in the store, whatever it holds: an address without our signature shows nothing. */
const STORED_TYPE = 'application/octet-stream';
const PREFIX = 'attachments/';
/** What a connection says that the other end has closed. */
const BROKEN: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);
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
  readonly log: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
}

/** Files in any store that speaks S3. Nothing of it is beyond S3 itself. */
export class S3Store implements ObjectStore {
  readonly #options: S3Options;
  readonly #agent: Agent;
  readonly #client: Client;
  readonly #public: Client;
  readonly #partBytes: number;
  readonly #closed = new AbortController();
  #provenAt = Number.NEGATIVE_INFINITY;
  #proving: Promise<void> | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: S3Options) {
    this.#options = options;
    this.#agent = storeAgent(options.endpoint.startsWith('https:'), MAX_SOCKETS, IDLE_MS);
    this.#client = connect(options, options.endpoint, this.#agent);
    this.#public = connect(options, options.publicEndpoint);
    const fits = options.maxBytes > 0 && options.maxBytes <= PART_BYTES * MAX_PARTS;
    this.#partBytes = fits ? PART_BYTES : LARGE_PART_BYTES;
  }

  /** Makes the bucket where it is missing, as soon as the store answers; then looks whether clients reach the same store. */
  async start(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#prove();
        return await this.#checkPublicEndpoint();
      } catch {
        // What is wrong was logged.
        await sleep(RETRY_S * 1_000, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  close(): void {
    this.#closed.abort();
    this.#agent.destroy();
  }

  async put(key: string, source: AsyncIterable<Uint8Array>): Promise<number> {
    await this.#prove();
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
    await this.#prove();
    await this.#call(() => this.#client.removeObject(this.#bucket, key));
  }

  async presign(key: string, serving: Serving, seconds: number): Promise<string> {
    await this.#prove();
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
    await this.#prove();
    await this.#call(() => this.#client.abortMultipartUpload(this.#bucket, key, upload));
  }

  /** Runs a request, twice when its connection broke: one that was kept open may be long gone. Each of them may be repeated. */
  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      const answer = await this.#whileAlive(
        run().catch((error: unknown) => {
          const { code } = error as { code?: unknown };
          if (!BROKEN.has(code) || this.#closed.signal.aborted) throw error;
          return run();
        }),
      );
      this.#provenAt = performance.now();
      return answer;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** What a request answers, however long it takes, as long as the store answers otherwise. */
  async #whileAlive<T>(request: Promise<T>): Promise<T> {
    const done = new AbortController();
    const look = async (): Promise<never> => {
      for (let silent = 0; silent < LOOKS; ) {
        await sleep(LOOK_MS, undefined, { signal: done.signal, ref: false });
        silent = await this.#probe().then(
          () => 0,
          () => silent + 1,
        );
      }
      throw new Error('the store does not answer');
    };
    const lost = look();
    // Whichever of them comes late is of no use to anybody.
    lost.catch(() => undefined);
    request.catch(() => undefined);
    try {
      return await Promise.race([request, lost]);
    } finally {
      done.abort();
    }
  }

  #failed(error: unknown): ChatError {
    this.#provenAt = Number.NEGATIVE_INFINITY;
    if (performance.now() - this.#warnedAt > FRESH_MS && !this.#closed.signal.aborted) {
      this.#warnedAt = performance.now();
      this.#options.log.warn(
        { error: describe(error), endpoint: this.#options.endpoint },
        'the file store fails',
      );
    }
    return new ChatError('unavailable', 'files are temporarily unavailable', {
      retryAfterS: RETRY_S,
      cause: error,
    });
  }

  /** Resolves when the store is known to be there, with the bucket in it. */
  async #prove(): Promise<void> {
    if (performance.now() - this.#provenAt < FRESH_MS) return;
    this.#proving ??= this.#probe().finally(() => {
      this.#proving = undefined;
    });
    await this.#proving;
  }

  async #probe(): Promise<void> {
    const cancel = new AbortController();
    const late = sleep(PROBE_MS, undefined, { signal: cancel.signal, ref: false }).then(() => {
      throw new Error(`no answer within ${PROBE_MS} ms`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([this.#ensureBucket(), late]);
      this.#provenAt = performance.now();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      cancel.abort();
    }
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
      const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS), redirect: 'manual' });
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

// An error's code and message; never the request, which holds signatures.
function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (
    [code, message].filter((text) => typeof text === 'string' && text !== '').join(': ') || String(error)
  );
}
