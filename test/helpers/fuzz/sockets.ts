/** The sockets of the fuzzer: some take what the documents refuse and must refuse each of it, some take anything. */

import { isUtf8 } from 'node:buffer';
import { WebSocket } from 'ws';
import type { ApiDocs } from '../api-docs.js';
import { within } from '../wait.js';
import type { FrameCase } from './cases.js';
import type { FuzzWorld } from './world.js';

/** Frames sent at once on a socket. */
const BATCH = 50;
const DEADLINE_MS = 20_000;
/** What a node takes in one frame: six times MAX_MESSAGE_BYTES and 4 KiB. */
const MAX_FRAME_BYTES = 16_384 * 6 + 4_096;

type Count = (what: string, accepted: boolean) => void;

/** An open socket that checks and counts what comes. */
class FuzzSocket {
  readonly ws: WebSocket;
  errors = 0;
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  #awaited: { mark: string; found: () => void } | undefined;
  #marks = 0;

  constructor(url: string, protocols: string[], check: (frame: object) => boolean) {
    this.ws = new WebSocket(url, protocols, { handshakeTimeout: DEADLINE_MS });
    this.opened = new Promise((resolve, reject) => {
      this.ws.once('open', resolve);
      this.ws.once('error', reject);
    });
    this.closed = new Promise((resolve) => this.ws.once('close', resolve));
    this.ws.on('error', () => undefined);
    this.ws.on('message', (data) => {
      const text = data.toString();
      if (check(JSON.parse(text) as object)) this.errors += 1;
      if (this.#awaited && text.includes(this.#awaited.mark)) this.#awaited.found();
    });
  }

  /** Sends a frame that no dialect knows, and waits for its error: by then every frame before it was worked on. */
  async mark(): Promise<void> {
    this.#marks += 1;
    const mark = `mark-${this.#marks}`;
    const found = new Promise<void>((resolve) => {
      this.#awaited = { mark: `"${mark}"`, found: resolve };
    });
    this.ws.send(JSON.stringify({ type: 'mark', action: 'mark', ref: mark, data: { ref: mark } }));
    const closed = this.closed.then((code) => Promise.reject(new Error(`the socket closed with ${code}`)));
    await within('the error for the mark', Promise.race([found, closed]), DEADLINE_MS);
  }
}

export class FuzzSockets {
  readonly #docs: ApiDocs;
  readonly #world: FuzzWorld;
  readonly #count: Count;
  readonly #faults: string[];
  readonly #open = new Map<string, FuzzSocket>();

  constructor(docs: ApiDocs, world: FuzzWorld, count: Count, faults: string[]) {
    this.#docs = docs;
    this.#world = world;
    this.#count = count;
    this.#faults = faults;
  }

  /** Sends every frame, those of each socket in their order. */
  async run(frames: readonly FrameCase[]): Promise<void> {
    const fates = new Map<string, FrameCase[]>();
    for (const frame of frames) {
      const key = `${frame.address} ${frame.who} ${this.#fateOf(frame)}`;
      const alike = fates.get(key) ?? [];
      alike.push(frame);
      fates.set(key, alike);
    }
    await Promise.all(
      [...fates].map(async ([key, all]) => {
        if (key.endsWith(' ends')) for (const frame of all) await this.#ends(frame);
        else for (let at = 0; at < all.length; at += BATCH) await this.#batch(key, all.slice(at, at + BATCH));
      }),
    );
  }

  close(): void {
    for (const { ws } of this.#open.values()) ws.terminate();
  }

  /** What must become of a frame: the end of its socket, a refusal, or what the node thinks fit. */
  #fateOf({ address, data, binary }: FrameCase): 'ends' | 'refused' | 'taken' {
    if (data.length > MAX_FRAME_BYTES || (!binary && !isUtf8(data))) return 'ends';
    if (binary) return 'refused';
    try {
      return this.#docs.describes(address, JSON.parse(data.toString())) ? 'taken' : 'refused';
    } catch {
      return 'refused';
    }
  }

  async #batch(key: string, frames: readonly FrameCase[]): Promise<void> {
    const [first] = frames as [FrameCase];
    try {
      const socket = await this.#socket(key, first);
      const before = socket.errors;
      for (const { data, binary } of frames) socket.ws.send(data, { binary });
      await socket.mark();
      const errors = socket.errors - before - 1;
      const refused = key.endsWith(' refused');
      if (refused && errors !== frames.length)
        this.#faults.push(`${errors} errors for ${frames.length} frames: ${frames.map(shown).join('\n  ')}`);
      for (const _ of frames) this.#count(`socket ${first.address}`, !refused);
    } catch (error) {
      this.#open.get(key)?.ws.terminate();
      this.#open.delete(key);
      this.#faults.push(`${error}: ${frames.map(shown).join('\n  ')}`);
    }
  }

  async #ends(frame: FrameCase): Promise<void> {
    const due = frame.data.length > MAX_FRAME_BYTES ? 1009 : 1007;
    const socket = this.#connect(frame);
    try {
      await socket.opened;
      socket.ws.send(frame.data, { binary: frame.binary });
      const code = await within('the end', socket.closed, DEADLINE_MS);
      if (code !== due) this.#faults.push(`closed with ${code}, not ${due}: ${shown(frame)}`);
    } catch (error) {
      this.#faults.push(`${error}: ${shown(frame)}`);
    } finally {
      socket.ws.terminate();
    }
  }

  async #socket(key: string, frame: FrameCase): Promise<FuzzSocket> {
    let socket = this.#open.get(key);
    if (!socket) {
      socket = this.#connect(frame);
      this.#open.set(key, socket);
      await socket.opened;
    }
    return socket;
  }

  #connect({ address, who }: FrameCase): FuzzSocket {
    const { world, people, known } = this.#world;
    const { id, token } = people[who as 0 | 1];
    // The caller's own name and token, and the first room of theirs.
    const own: Record<string, string> = { user: id, token };
    const path = address.replace(/\{(\w+)\}/g, (_, name: string) => own[name] ?? (known(name)[0] as string));
    return new FuzzSocket(world.next().wsUrl + path, ['bearer', token], (frame) => {
      const faults = this.#docs.faultsOfFrame(address, frame);
      if (faults.length > 0 && this.#faults.length < 100)
        this.#faults.push(...faults.map((fault) => fault.slice(0, 400)));
      return isError(frame as Record<string, unknown>);
    });
  }
}

/** Whether a frame is an error, in whichever dialect. */
function isError({ type, action, error }: Record<string, unknown>): boolean {
  return type === 'error' || action === 'error' || error !== undefined;
}

function shown({ data, binary }: FrameCase): string {
  return `${binary ? 'binary ' : ''}${JSON.stringify(data.subarray(0, 300).toString('latin1'))}`;
}
