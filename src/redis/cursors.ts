import { randomBytes } from 'node:crypto';
import type { RoomId } from '../core/ids.js';
import type { Position } from '../core/model.js';
import type { CursorStore } from '../core/ports.js';
import { type Client, guard } from './connection.js';
import { keys } from './keys.js';

const TTL_S = 7 * 24 * 60 * 60;
const HANDLE = /^[A-Za-z0-9_-]{16}$/;

/** Positions of readers of many rooms, one string each. */
export class RedisCursors implements CursorStore {
  readonly #client: Client;

  /** `client`: with role `commands`. */
  constructor(client: Client) {
    this.#client = client;
  }

  async save(positions: ReadonlyMap<RoomId, Position>): Promise<string> {
    const handle = randomBytes(12).toString('base64url');
    const text = [...positions].map(([room, { offset, nonce }]) => `${room}.${offset}.${nonce}`).join(' ');
    await guard(this.#client.set(keys.cursorBase(handle), text, 'EX', TTL_S));
    return handle;
  }

  async load(handle: string): Promise<Map<RoomId, Position> | undefined> {
    if (!HANDLE.test(handle)) return undefined;
    const text = await guard(this.#client.getex(keys.cursorBase(handle), 'EX', TTL_S));
    if (text === null) return undefined;
    const positions = new Map<RoomId, Position>();
    for (const part of text.split(' ').filter((each) => each !== '')) {
      const [room, offset, nonce] = part.split('.');
      positions.set(Number(room), { offset: Number(offset), nonce: nonce ?? '' });
    }
    return positions;
  }
}
