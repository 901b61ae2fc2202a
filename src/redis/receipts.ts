import type { Offset, RoomId, UserId } from '../core/ids.js';
import type { Marks, MemberMarks } from '../core/marks.js';
import type { ReceiptStatus } from '../core/model.js';
import { MAX_OWED, type Owed, type ReceiptStore, type RoomState } from '../core/ports.js';
import { inBulk } from './bulk.js';
import { type Client, guard } from './connection.js';
import { decodeEntry, encodeUserEvent, type StreamEntry } from './events.js';
import { channels, encodeId, keys } from './keys.js';
import { parseTip } from './log.js';
import { runScript, scripts } from './scripts.js';
import type { Writes } from './writes.js';

/** How long receipts are kept until confirmed. */
const OWED_TTL_S = 24 * 60 * 60;

/** Receipts as cursors and ranges in Redis. */
export class RedisReceipts implements ReceiptStore {
  readonly #client: Client;
  readonly #writes: Writes;

  /** `client`: with role `commands`. */
  constructor(client: Client, writes: Writes) {
    this.#client = client;
    this.#writes = writes;
  }

  async mark(
    room: RoomId,
    user: UserId,
    offset: Offset,
    status: ReceiptStatus,
  ): Promise<boolean | undefined> {
    const log = keys.log(room);
    const touched = [
      log,
      keys.read(room),
      keys.readRanges(room, user),
      keys.delivered(room),
      keys.deliveredRanges(room, user),
    ];
    const args = [offset, status, user, encodeId(user), channels.room(room)];
    const answer = await this.#writes.write(log, (redis) => runScript(redis, scripts.receipt, touched, args));
    return answer === -1 ? undefined : answer === 1;
  }

  async marks(room: RoomId, users: readonly UserId[]): Promise<MemberMarks[]> {
    return Promise.all(
      users.map(async (user) => {
        const field = encodeId(user);
        const [read, readRanges, delivered, deliveredRanges] = await guard(
          Promise.all([
            this.#client.hget(keys.read(room), field),
            this.#client.zrange(keys.readRanges(room, user), '0', '-1', 'WITHSCORES'),
            this.#client.hget(keys.delivered(room), field),
            this.#client.zrange(keys.deliveredRanges(room, user), '0', '-1', 'WITHSCORES'),
          ]),
        );
        return { read: decodeMarks(read, readRanges), delivered: decodeMarks(delivered, deliveredRanges) };
      }),
    );
  }

  async states(rooms: readonly RoomId[], user: UserId): Promise<RoomState[]> {
    const field = encodeId(user);
    return inBulk(this.#client, rooms, async (redis, room) => {
      const [tipText, entries, [cursor, waiting], length] = await Promise.all([
        redis.hget(keys.room(room), 'tip'),
        redis.xrevrange(keys.log(room), '+', '-', 'COUNT', 1) as Promise<StreamEntry[]>,
        redis.hmget(keys.read(room), field, `${field}|`),
        redis.xlen(keys.log(room)),
      ]);
      const tip = parseTip(tipText);
      const last = entries[0] && decodeEntry(room, entries[0]);
      const unread = tip.offset - Number(cursor ?? 0) - Number(waiting ?? 0);
      // Messages that were trimmed unread, and ranges among them: both have to be left out, and only Redis can tell.
      if (Number(waiting ?? 0) > 0 && tip.offset - length > Number(cursor)) {
        return { tip, last, unread: await this.#unreadOfTrimmed(room, user, Math.min(length, unread)) };
      }
      // What was trimmed counts as read.
      return { tip, last, unread: Math.max(0, Math.min(length, unread)) };
    });
  }

  async owe(user: UserId, owed: Owed): Promise<void> {
    const value = `${String(Date.now()).padStart(13, '0')} ${owed.by}`;
    const event = encodeUserEvent({ kind: 'owed', ...owed });
    const args = [fieldOf(owed), value, MAX_OWED, OWED_TTL_S, channels.user(user), event];
    const key = keys.userReceipts(user);
    await this.#writes.write(key, (redis) => runScript(redis, scripts.owe, [key], args));
  }

  async owed(user: UserId): Promise<Owed[]> {
    const all = Object.entries(await guard(this.#client.hgetall(keys.userReceipts(user))));
    // The key lives as long as its newest field: older ones are too old by themselves.
    const oldest = Date.now() - OWED_TTL_S * 1_000;
    const fields = all.map(([field, value]) => {
      const [messageId, status] = field.split(':') as [string, ReceiptStatus];
      return { atMs: Number(value.slice(0, 13)), messageId: Number(messageId), status, by: value.slice(14) };
    });
    return fields
      .filter(({ atMs }) => atMs > oldest)
      .sort((a, b) => a.atMs - b.atMs || a.messageId - b.messageId || (a.status < b.status ? -1 : 1))
      .map(({ atMs: _, ...owed }) => owed);
  }

  async settle(user: UserId, owed: Pick<Owed, 'messageId' | 'status'>): Promise<boolean> {
    const known = await guard(this.#client.hdel(keys.userReceipts(user), fieldOf(owed)));
    if (known === 0) return false;
    await guard(this.#client.spublish(channels.user(user), encodeUserEvent({ kind: 'settled', ...owed })));
    return true;
  }

  /** While Redis takes no writes the answer is `otherwise`: a wrong number in a list of chats is better than no list. */
  async #unreadOfTrimmed(room: RoomId, user: UserId, otherwise: number): Promise<number> {
    const touched = [keys.log(room), keys.read(room), keys.readRanges(room, user)];
    try {
      return (await runScript(this.#client, scripts.unread, touched, [encodeId(user)])) as number;
    } catch {
      return otherwise;
    }
  }
}

function fieldOf(owed: Pick<Owed, 'messageId' | 'status'>): string {
  return `${owed.messageId}:${owed.status}`;
}

/** A cursor, and ranges as the sorted set has them: last offset, first offset, ... */
function decodeMarks(cursor: string | null, flat: string[]): Marks {
  const ranges: [Offset, Offset][] = [];
  for (let i = 0; i < flat.length; i += 2) ranges.push([Number(flat[i + 1]), Number(flat[i])]);
  return { cursor: Number(cursor ?? 0), ranges };
}
