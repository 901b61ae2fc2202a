import type { MultipartFile, MultipartValue } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { ChatError } from '../core/errors.js';
import type { Files, ReceivedFile } from '../core/files.js';
import type { UserId } from '../core/ids.js';
import type { UploadForm, UploadRules } from '../dialects/dialect.js';
import { RequestWatch } from './request-watch.js';

/** What of a form is not files, at most: fields, names, separators. */
const FORM_BYTES = 256 * 1024;
const MAX_FIELDS = 32;
/** What the headers of one file's part may add to it. */
const PART_OVERHEAD_BYTES = 16 * 1024;
/** Uploads that a node reads at once: each holds a part of its file in memory. */
const MAX_CONCURRENT = 64;
/** Of these, most of one person: slow ones of somebody else keep nobody from uploading. */
const MAX_OF_ONE = 32;
const BUSY_RETRY_S = 2;

export interface UploadLimits {
  /** Largest file in bytes, and most files of one request; 0: no limit. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** Longest text of a message in bytes: a field may be one. */
  readonly maxMessageBytes: number;
}

/** Most bytes that one upload may be, all in all; Infinity where nothing limits it. */
export function maxUploadRequest({ maxBytes, maxFiles }: UploadLimits): number {
  return unlessOff(maxFiles) * (unlessOff(maxBytes) + PART_OVERHEAD_BYTES) + FORM_BYTES;
}

/** Reads forms with files. */
export class UploadReader {
  readonly #files: Files;
  readonly #limits: UploadLimits;
  #active = 0;
  readonly #byOwner = new Map<UserId, number>();

  constructor(files: Files, limits: UploadLimits) {
    this.#files = files;
    this.#limits = limits;
  }

  /**
   * Reads a form, part by part and in whatever order they come, and hands it to `use`; the files are stored by then. When
   * anything fails, the client's connection or `use` too, none of them is kept.
   * @throws ChatError bad_request for a form that is none, too_large, rate_limited, `unavailable`; what `use` throws
   */
  async receive<T>(
    request: FastifyRequest,
    rules: UploadRules,
    use: (form: UploadForm) => Promise<T>,
  ): Promise<T> {
    if (!request.isMultipart()) throw new ChatError('bad_request', 'the body must be multipart/form-data');
    this.#enter(rules.owner);
    const received: ReceivedFile[] = [];
    try {
      const fields = await this.#read(request, rules, received);
      return await use({ field: (name) => fields.get(name), files: received });
    } catch (error) {
      // A message that may be stored may hold them.
      if (!(error instanceof ChatError && error.code === 'in_doubt')) await this.#files.discard(received);
      throw error;
    } finally {
      this.#leave(rules.owner);
    }
  }

  #enter(owner: UserId): void {
    const own = this.#byOwner.get(owner) ?? 0;
    const retry = { retryAfterS: BUSY_RETRY_S };
    if (own >= MAX_OF_ONE) throw new ChatError('rate_limited', 'too many uploads at once', retry);
    if (this.#active >= MAX_CONCURRENT) throw new ChatError('unavailable', 'too many uploads at once', retry);
    this.#active += 1;
    this.#byOwner.set(owner, own + 1);
  }

  #leave(owner: UserId): void {
    this.#active -= 1;
    const left = (this.#byOwner.get(owner) ?? 1) - 1;
    if (left > 0) this.#byOwner.set(owner, left);
    else this.#byOwner.delete(owner);
  }

  async #read(
    request: FastifyRequest,
    rules: UploadRules,
    received: ReceivedFile[],
  ): Promise<ReadonlyMap<string, string>> {
    const total = maxUploadRequest(this.#limits);
    if (Number(request.headers['content-length'] ?? 0) > total) throw tooLarge('the upload');
    const fields = new Map<string, string>();
    const parts = request.parts({ limits: partLimits(this.#limits) });
    const watch = new RequestWatch(request.raw, total, () => tooLarge('the upload'));
    try {
      for await (const part of watch.parts(parts)) {
        if (part.type === 'field') takeField(part, fields);
        else await this.#takeFile(part, rules, received);
      }
      return fields;
    } catch (error) {
      request.raw.unpipe();
      throw watch.reason ?? asChatError(error);
    } finally {
      watch.end();
    }
  }

  async #takeFile(part: MultipartFile, rules: UploadRules, received: ReceivedFile[]): Promise<void> {
    const { file, fieldname } = part;
    const { field, owner } = rules;
    if (fieldname !== field) {
      throw new ChatError('bad_request', `only ${field} may hold a file`, { field: fieldname });
    }
    if (!rules.several && received.length > 0) {
      throw new ChatError('bad_request', `${field} must be one file`, { field });
    }
    file.once('limit', () => file.destroy(tooLarge('the file')));
    const name: string | undefined = part.filename;
    const one = await this.#files.receive(owner, name, file);
    // An input that was left empty: browsers send it without a name.
    if (one.size === 0 && !name) await this.#files.discard([one]);
    else received.push(one);
  }
}

// A field that is given twice counts as it came first.
function takeField({ fieldname, value }: MultipartValue, fields: Map<string, string>): void {
  if (typeof value === 'string' && !fields.has(fieldname)) fields.set(fieldname, value);
}

function partLimits({ maxBytes, maxFiles, maxMessageBytes }: UploadLimits) {
  return {
    fileSize: unlessOff(maxBytes),
    files: unlessOff(maxFiles),
    fields: MAX_FIELDS,
    // One more than a text may have: whoever takes the field says what is wrong with it.
    fieldSize: maxMessageBytes + 1,
    parts: unlessOff(maxFiles) + MAX_FIELDS,
  };
}

function unlessOff(limit: number): number {
  return limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

function tooLarge(what: string): ChatError {
  return new ChatError('too_large', `${what} is too large`);
}

// The parser's own errors carry a status only sometimes: what else goes wrong in it is wrong with the form.
function asChatError(error: unknown): unknown {
  if (error instanceof ChatError) return error;
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode === 413)
    return new ChatError('too_large', 'the upload has too many parts', { cause: error });
  return new ChatError('bad_request', message ?? 'the form cannot be read', { cause: error });
}
