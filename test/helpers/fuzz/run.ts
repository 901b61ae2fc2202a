/** Puts cases to nodes, and says what in their answers nobody should get. */

import { Agent, request } from 'node:http';
import type { ApiDocs } from '../api-docs.js';
import type { FileWorld } from '../files.js';
import type { FrameCase, FuzzCase, RequestCase, UpgradeCase } from './cases.js';
import { FuzzSockets } from './sockets.js';
import type { FuzzWorld } from './world.js';

/** Within this time a node has answered, in ms. */
const DEADLINE_MS = 15_000;
const AT_ONCE = 12;

interface Raw {
  status: number;
  json: unknown;
  text: string;
}

/** How often each operation and socket was accepted, and how often refused. */
export type Coverage = Map<string, { accepted: number; refused: number }>;

export class Fuzzer {
  /** What went wrong, in words; nothing when all is well. */
  readonly faults: string[] = [];
  readonly coverage: Coverage = new Map();
  readonly #docs: ApiDocs;
  readonly #world: FileWorld;
  readonly #sockets: FuzzSockets;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

  constructor(docs: ApiDocs, world: FuzzWorld) {
    this.#docs = docs;
    this.#world = world.world;
    this.#sockets = new FuzzSockets(
      docs,
      world,
      (what, accepted) => this.#count(what, accepted),
      this.faults,
    );
  }

  /** Puts all of them to the nodes, several at once. */
  async run(cases: readonly FuzzCase[]): Promise<void> {
    const frames = cases.filter((one): one is FrameCase => one.kind === 'frame');
    const others = cases.filter((one): one is RequestCase | UpgradeCase => one.kind !== 'frame');
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let one = others[next++]; one; one = others[next++]) {
        await (one.kind === 'request' ? this.#request(one) : this.#upgrade(one));
      }
    };
    await Promise.all([this.#sockets.run(frames), ...Array.from({ length: AT_ONCE }, worker)]);
  }

  close(): void {
    this.#agent.destroy();
    this.#sockets.close();
  }

  async #request(one: RequestCase): Promise<void> {
    const { method, path, target, body } = one;
    const name = `${method} ${path ?? target.slice(0, 100)}`;
    try {
      const answer = await this.#send(one);
      const { status, json, text } = answer;
      const say = (why: string) =>
        this.faults.push(`${why}: ${this.#shown(one)} -> ${status} ${text.slice(0, 200)}`);
      if (status >= 500) say('its own fault');
      if (path === undefined) {
        if (status >= 400 && method !== 'HEAD' && !this.#docs.isError(json))
          say('an error that no document has');
        return;
      }
      this.#count(name, status < 400);
      const all = { status, body: json, text, headers: new Headers() };
      // A head that is too large never becomes a request of a dialect.
      const wrong = status === 431 ? [] : this.#docs.faultsOf(method, path, all);
      for (const fault of wrong) say(fault.slice(0, 200));
      if (status < 300 && body && !this.#allowed(method, path, body)) say('accepted against its document');
    } catch (error) {
      this.faults.push(`no answer (${error}): ${this.#shown(one)}`);
    }
  }

  /** Whether the document of an operation allows a body that the node took. */
  #allowed(method: string, path: string, body: Buffer): boolean {
    const content = this.#docs.open.paths[path]?.[method.toLowerCase()]?.requestBody?.content ?? {};
    if (!content['application/json']) return true;
    try {
      return this.#docs.accepts(method, path, JSON.parse(body.toString()));
    } catch {
      return false;
    }
  }

  async #upgrade(one: UpgradeCase): Promise<void> {
    const handshake = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    };
    try {
      const headers = { ...one.headers, ...handshake };
      const { status, json, text } = await this.#send({
        method: 'GET',
        target: one.target,
        headers,
        body: undefined,
      });
      this.#count(`upgrade ${one.dialect}`, status === 101);
      const dialect = one.exact ? one.dialect : undefined;
      const documented = status < 500 && this.#docs.isError(json, dialect);
      if (status !== 101 && !documented)
        this.faults.push(`${this.#shown(one)} -> ${status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.faults.push(`no answer (${error}): ${this.#shown(one)}`);
    }
  }

  #send(out: Pick<RequestCase, 'method' | 'target' | 'headers' | 'body'>, again = true): Promise<Raw> {
    const { method, target, headers, body } = out;
    const { port } = this.#world.next();
    return new Promise((resolve, reject) => {
      const upgrade = headers.upgrade !== undefined;
      const sent = request({
        host: '127.0.0.1',
        port,
        method,
        path: target,
        headers: { ...headers, ...(body ? { 'content-length': String(body.length) } : {}) },
        agent: upgrade ? false : this.#agent,
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      sent.once('upgrade', (_, socket) => {
        socket.destroy();
        resolve({ status: 101, json: undefined, text: '' });
      });
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, json: parsed(text), text });
        });
      });
      sent.once('error', (error: NodeJS.ErrnoException) => {
        // A kept-alive connection may have been closed by the time that it is used again.
        if (again && sent.reusedSocket && /ECONNRESET|EPIPE/.test(error.code ?? '')) {
          this.#send(out, false).then(resolve, reject);
        } else reject(error);
      });
      sent.end(body);
    });
  }

  #count(what: string, accepted: boolean): void {
    const counts = this.coverage.get(what) ?? { accepted: 0, refused: 0 };
    counts[accepted ? 'accepted' : 'refused'] += 1;
    this.coverage.set(what, counts);
  }

  #shown(one: RequestCase | UpgradeCase): string {
    const body =
      'body' in one && one.body ? ` ${JSON.stringify(one.body.subarray(0, 300).toString('latin1'))}` : '';
    const { authorization, ...headers } = one.headers;
    return `${'method' in one ? one.method : 'upgrade'} ${one.target.slice(0, 300)} ${authorization?.slice(0, 12)} ${JSON.stringify(headers)}${body}`;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
