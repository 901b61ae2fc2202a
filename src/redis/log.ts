import type { Offset, RoomId } from '../core/ids.js';
import type { Message, Position } from '../core/model.js';
import type { Appended, Draft, Log as LogPort } from '../core/ports.js';
import type { Appender } from './appender.js';
import { fieldsOf, ofThoseThere } from './bulk.js';
import { type Client, guard } from './connection.js';
import { decodeEntry, type StreamEntry } from './events.js';
import { keys, PARTITIONS, roomPartition } from './keys.js';
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
    const rows = await fieldsOf(this.#client, rooms.map(keys.room), ['tip']);
    return rows.map(([tip = null]) => parseTip(tip));
  }

  async recentlyAppended(rooms: Pick<ReadonlySet<RoomId>, 'keys' | 'has'>): Promise<Map<RoomId, number>> {
    const partitions = new Set<number>();
    for (const room of rooms.keys()) {
      partitions.add(roomPartition(room));
      // Who reads very many rooms has some in each: there is no need to go through all of them every time.
      if (partitions.size === PARTITIONS) break;
    }
    const indexes = [...partitions].map(keys.recent);
    const answers = await ofThoseThere(this.#client, indexes, async (part) => {
      return (await runScript(this.#client, scripts.recent, part, [RECENT_MS])) as string[][];
    });
    const found = new Map<RoomId, number>();
    for (const answer of answers) {
      for (let i = 0; i < answer.length; i += 2) {
        const room = Number(answer[i]);
        if (rooms.has(room)) found.set(room, Number(answer[i + 1]));
      }
    }
    return found;
  }
}

const EMPTY: Position = { offset: 0, nonce: '' };

/** The `tip` field of a room: offset, created, nonce. */
export function parseTip(tip: string | null): Position {
  if (tip === null) return EMPTY;
  const [offset, , nonce] = tip.split(' ');
  return { offset: Number(offset), nonce: nonce as string };
}
