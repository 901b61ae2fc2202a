/** Two nodes, a Redis and an object store, and what clients do with files. */

import { type Answer, request } from './http.js';
import { startNode, type TestNode } from './node.js';
import { type S3Server, startS3 } from './s3.js';
import { open, type TestSocket } from './socket.js';
import { mintToken } from './token.js';
import { type AnyRedis, startAnyRedis } from './topology.js';
import type { Owner } from './wait.js';

/** A part of a form: a field, or a file. */
export type FormPart =
  | { field: string; value: string }
  | { field: string; name?: string | undefined; type?: string; bytes: Uint8Array };

export interface Uploaded {
  status: string;
  chat_id: string;
  files: { file_name: string; file_url: string; size: number; content_type: string }[];
}

const BOUNDARY = 'a-boundary-of-the-tests';

/** A form as bytes, exactly as given: names are not cleaned as `FormData` would. */
export function form(parts: readonly FormPart[]): { body: Buffer; headers: Record<string, string> } {
  const chunks = parts.flatMap((part) => {
    const head = [`--${BOUNDARY}`, disposition(part), ...typeOf(part), '', ''].join('\r\n');
    return [Buffer.from(head), 'value' in part ? Buffer.from(part.value) : part.bytes, Buffer.from('\r\n')];
  });
  const body = Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)]);
  return { body, headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` } };
}

function disposition(part: FormPart): string {
  const name = 'bytes' in part && part.name !== undefined ? `; filename="${part.name}"` : '';
  return `Content-Disposition: form-data; name="${part.field}"${name}`;
}

function typeOf(part: FormPart): string[] {
  return 'bytes' in part ? [`Content-Type: ${part.type ?? 'application/octet-stream'}`] : [];
}

/** See {@link startFileWorld}. */
export class FileWorld {
  readonly redis: AnyRedis;
  readonly s3: S3Server;
  readonly nodes: readonly [TestNode, TestNode];
  #turn = 0;

  constructor(redis: AnyRedis, s3: S3Server, nodes: readonly [TestNode, TestNode]) {
    this.redis = redis;
    this.s3 = s3;
    this.nodes = nodes;
  }

  /** The node whose turn it is. */
  next(): TestNode {
    this.#turn += 1;
    return this.nodes[(this.#turn % 2) as 0 | 1];
  }

  api<T>(method: string, path: string, token?: string, body?: unknown): Promise<Answer<T>> {
    return request<T>(method, this.next().url + path, { ...(token ? { token } : {}), body });
  }

  /** The token of somebody whom the server knows. */
  async person(id: string, claims: Record<string, unknown> = {}): Promise<string> {
    const token = await mintToken({ sub: id, email: `${id}@example.com`, ...claims });
    const { status } = await this.api('GET', '/chat_history', token);
    if (status !== 200) throw new Error(`${id} is not welcome: ${status}`);
    return token;
  }

  /** Posts a form. */
  post<T>(path: string, token: string, parts: readonly FormPart[], headers = {}): Promise<Answer<T>> {
    const { body, headers: own } = form(parts);
    const all = { ...own, ...headers };
    return request<T>('POST', this.next().url + path, { token, body, headers: all, ms: 60_000 });
  }

  /** Uploads one file to the chat with `to`. */
  async upload(token: string, to: string, bytes: Uint8Array, name = 'file.bin', type?: string) {
    const file = { field: 'files', name, bytes, ...(type ? { type } : {}) };
    const answer = await this.post<Uploaded>('/upload_files', token, [
      { field: 'other_user_id', value: to },
      file,
    ]);
    if (answer.status !== 200) throw new Error(`no upload: ${answer.status} ${answer.text}`);
    return answer.body.files[0] as Uploaded['files'][number];
  }

  /** The short-lived address of a file. */
  async presigned(token: string, url: string): Promise<string> {
    const body = { files: [url] };
    const path = '/get_presigned_urls';
    const answer = await this.api<{ presigned_urls: Record<string, string> }>('POST', path, token, body);
    if (answer.status !== 200) throw new Error(`no address: ${answer.status} ${answer.text}`);
    return answer.body.presigned_urls[url] as string;
  }

  /** An open socket of the skillarena document. */
  socket(t: Owner, token: string): Promise<TestSocket> {
    return open(`${this.next().wsUrl}/ws/${token}`, { t });
  }
}

/** Starts a Redis, a store, and two nodes on them. */
export async function startFileWorld(t: Owner, env: Record<string, string> = {}): Promise<FileWorld> {
  const [redis, s3] = await Promise.all([startAnyRedis(t), startS3(t)]);
  const full = { ...redis.env, ...s3.env, ...env };
  const [a, b] = await Promise.all([startNode(t, full), startNode(t, full)]);
  return new FileWorld(redis, s3, [a, b]);
}

/** An object as its address serves it. */
export async function fetchObject(url: string): Promise<{ status: number; headers: Headers; bytes: Buffer }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000), redirect: 'manual' });
  return {
    status: response.status,
    headers: response.headers,
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

/** The bytes of some real files, as small as they come. */
export const SAMPLES = {
  png: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
  gif: Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64'),
  pdf: Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n'),
  jpeg: Buffer.from(
    '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k=',
    'base64',
  ),
} as const;
