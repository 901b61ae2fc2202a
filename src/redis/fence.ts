/** What is done after an append connection broke, before the next one is used: ending the old one, and looking up what it did. */

import type { Redis } from 'ioredis';
import type { RoomId } from '../core/ids.js';
import type { Message } from '../core/model.js';
import type { PendingAppend } from './batch.js';
import { decodeEntry, type StreamEntry } from './events.js';
import { keys } from './keys.js';

/** How far back a nonce is looked up: past it the outcome stays in doubt. */
const LOOKUP_ENTRIES = 4_096;
const LOOKUP_PAGE = 256;
/** Rooms that are looked at together. */
const LOOKUPS_AT_ONCE = 32;
/** An entry older than the send by this much ends the look-up: no two primaries' clocks differ by more. */
const LOOKUP_MARGIN_MS = 60_000;

/** Kills every connection named `name` but the one that asks. Resolves when the server has answered. */
export async function killOthers(redis: Redis, name: string): Promise<void> {
  const own = await redis.client('ID');
  const list = (await redis.client('LIST')) as string;
  for (const line of list.split('\n')) {
    const id = /^id=(\d+) /.exec(line)?.[1];
    if (id === undefined || id === String(own) || !line.includes(` name=${name} `)) continue;
    await redis.client('KILL', 'ID', id);
  }
}

/** Where a draft was found, or that the log does not tell. */
export type Found = Message | 'unknown';

/**
 * The messages of `items` that stand in their logs; 'unknown' where what is left of a log does not reach back far enough.
 * Those that are in neither were never stored.
 */
export async function lookUp(redis: Redis, items: readonly PendingAppend[]): Promise<Map<string, Found>> {
  const byRoom = new Map<RoomId, PendingAppend[]>();
  for (const item of items) {
    const room = item.draft.room.id;
    byRoom.set(room, [...(byRoom.get(room) ?? []), item]);
  }
  const found = new Map<string, Found>();
  // Entries bear the time of Redis: this node's clock may say anything.
  const [seconds] = await redis.time();
  const now = { atMs: Number(seconds) * 1_000, monotonic: performance.now() };
  const rooms = [...byRoom];
  for (let i = 0; i < rooms.length; i += LOOKUPS_AT_ONCE) {
    const some = rooms.slice(i, i + LOOKUPS_AT_ONCE).map(([room, drafts]) => {
      const oldest = Math.max(...drafts.map(({ since }) => now.monotonic - since));
      return lookUpRoom(redis, room, drafts, now.atMs - oldest - LOOKUP_MARGIN_MS, found);
    });
    await Promise.all(some);
  }
  return found;
}

async function lookUpRoom(
  redis: Redis,
  room: RoomId,
  drafts: readonly PendingAppend[],
  horizon: number,
  found: Map<string, Found>,
): Promise<void> {
  const wanted = new Set(drafts.map((item) => item.draft.nonce));
  let end = '+';
  let first = 1;
  for (let read = 0; read < LOOKUP_ENTRIES; read += LOOKUP_PAGE) {
    const page = (await redis.xrevrange(keys.log(room), end, '-', 'COUNT', LOOKUP_PAGE)) as StreamEntry[];
    for (const entry of page) {
      const message = decodeEntry(room, entry);
      if (wanted.delete(message.nonce)) found.set(message.nonce, message);
      if (message.createdMs < horizon) return;
      end = `(${entry[0]}`;
      first = message.offset;
    }
    if (wanted.size === 0) return;
    if (page.length === LOOKUP_PAGE) continue;
    if (first === 1) return;
    break; // what stood before it was trimmed, and since the send for all that is known
  }
  for (const nonce of wanted) found.set(nonce, 'unknown');
}
