import type { Redis } from 'ioredis';
import type { Offset, RoomId } from '../core/ids.js';
import type { Message, Position } from '../core/model.js';
import type { Appended, Draft, Log as LogPort } from '../core/ports.js';
import type { Appender } from './appender.js';
import { type Client, guard } from './connection.js';
import { decodeEntry, type StreamEntry } from './events.js';
import { keys, roomPartition } from './keys.js';
import { runScript, scripts } from './scripts.js';

/** How far back "recently" reaches, in ms. */
const RECENT_MS = 60_000;

/** The log on Redis streams. Always read from a primary: a replica may lag. */
export class RedisLog implements LogPort {
  readonly #client: Client;
  readonly #appender: Appender;

  /** `client`: with role `commands`. */
  constructor(client: Client, appender: Appender) {
    this.#client = client;
    this.#appender = appender;
  }

  append(draft: Draft): Promise<Appended> {
    return this.#appender.append(draft);
  }

  async readAfter(room: RoomId, after: Offset, count: number): Promise<Message[]> {
    const range = this.#client.xrange(keys.log(room), `0-${after + 1}`, '+', 'COUNT', count);
    return ((await guard(range)) as StreamEntry[]).map((entry) => decodeEntry(room, entry));
  }

  async readBefore(room: RoomId, upTo: Offset, count: number): Promise<Message[]> {
    const range = this.#client.xrevrange(keys.log(room), `0-${upTo}`, '-', 'COUNT', count);
    return ((await guard(range)) as StreamEntry[]).map((entry) => decodeEntry(room, entry)).reverse();
  }

  async readOne(room: RoomId, offset: Offset): Promise<Message | undefined> {
    const id = `0-${offset}`;
    const [entry] = (await guard(this.#client.xrange(keys.log(room), id, id))) as StreamEntry[];
    return entry && decodeEntry(room, entry);
  }

  async tips(rooms: readonly RoomId[]): Promise<Position[]> {
    const tips = await inBulk(this.#client, rooms, (redis, room) => redis.hget(keys.room(room), 'tip'));
    return tips.map(parseTip);
  }

  async recentlyAppended(rooms: readonly RoomId[]): Promise<Map<RoomId, number>> {
    const wanted = new Set(rooms);
    const partitions = [...new Set(rooms.map(roomPartition))];
    const found = new Map<RoomId, number>();
    const answers = await Promise.all(
      partitions.map((p) => guard(runScript(this.#client, scripts.recent, [keys.recent(p)], [RECENT_MS]))),
    );
    for (const answer of answers as string[][]) {
      for (let i = 0; i < answer.length; i += 2) {
        const room = Number(answer[i]);
        if (wanted.has(room)) found.set(room, Number(answer[i + 1]));
      }
    }
    return found;
  }
}

/** The `tip` field of a room: offset, created, nonce. */
export function parseTip(tip: string | null): Position {
  if (tip === null) return { offset: 0, nonce: '' };
  const [offset, , nonce] = tip.split(' ');
  return { offset: Number(offset), nonce: nonce as string };
}

/** Commands of one turn of the event loop: past it a long list would hold up everyone else. */
const BULK = 500;

/** What bulk commands use: the same on one Redis and on a cluster. */
type Bulk = Pick<Redis, 'hget' | 'hmget' | 'hgetall' | 'smembers' | 'xrevrange' | 'xlen'>;

/** One command per item, `BULK` at a time; answers in the order of the items. */
export async function inBulk<I, O>(
  client: Client,
  items: readonly I[],
  command: (redis: Bulk, item: I) => Promise<O>,
): Promise<O[]> {
  const answers: O[] = [];
  for (let i = 0; i < items.length; i += BULK) {
    const part = items.slice(i, i + BULK).map((item) => command(client, item));
    answers.push(...(await guard(Promise.all(part))));
  }
  return answers;
}
