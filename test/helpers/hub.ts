/** A hub over a real Redis inside the test's own process, with sockets that are buffers, and a hand on what pub/sub brings. */

import { Redis } from 'ioredis';
import type { RoomId } from '../../src/core/ids.js';
import { RoomMarks } from '../../src/core/marks.js';
import type { Room, RoomEvent } from '../../src/core/model.js';
import type { Appended, Log } from '../../src/core/ports.js';
import { encoder } from '../../src/dialects/rooms/encode.js';
import type { RoomFeed } from '../../src/realtime/feed.js';
import { Hub } from '../../src/realtime/hub.js';
import type { ReadStart } from '../../src/realtime/reader.js';
import type { Session, Transport } from '../../src/realtime/session.js';
import { type RealtimeStats, realtimeStats } from '../../src/realtime/stats.js';
import { keys } from '../../src/redis/keys.js';
import { RedisSide } from '../../src/redis/side.js';
import { type ChatMessage, messagesIn, offsetOf } from './chat.js';
import { draftOf } from './drafts.js';
import { type RedisPlace, startRedis } from './redis.js';
import type { Frame } from './socket.js';
import { type Owner, until } from './wait.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The Redis side of a node, as a node makes it. */
export function redisSide(t: Owner, { target }: RedisPlace, more: { keepMessages?: number } = {}): RedisSide {
  const side = new RedisSide({
    target,
    nodeId: 'test',
    requirements: { durability: 'fast', waitReplicas: 0, waitTimeoutMs: 1_000 },
    keepMessages: more.keepMessages ?? 0,
    roomPresenceLimit: 0,
    log: quiet,
    onUnfit: (faults) => {
      throw new Error(faults.join());
    },
  });
  t.teardown(() => side.close(0));
  return side;
}

/** Where the frames of one reader go. `full` keeps everything from leaving, as a client that does not read does. */
export class Sink implements Transport {
  readonly frames: Frame[] = [];
  readonly closes: number[] = [];
  unsent = 0;
  /** Most bytes that ever waited. */
  most = 0;
  full = false;
  session: Session | undefined;
  #waiting: Buffer[] = [];

  write(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.unsent += chunk.length;
    this.most = Math.max(this.most, this.unsent);
    if (!this.full) this.drain();
  }

  drain(): void {
    for (const chunk of this.#waiting.splice(0)) this.frames.push(...framesOf(chunk));
    this.unsent = 0;
    setImmediate(() => this.session?.onDrain());
  }

  close(code: number): void {
    this.closes.push(code);
  }

  get messages(): ChatMessage[] {
    return this.frames.flatMap(messagesIn);
  }

  /** The offsets of all messages so far, in the order they came. */
  get offsets(): number[] {
    return this.messages.map(offsetOf);
  }

  get contents(): string[] {
    return this.messages.map(({ content }) => content);
  }
}

function framesOf(chunk: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < chunk.length; ) {
    const short = (chunk[at + 1] as number) & 0x7f;
    const header = short === 127 ? 10 : short === 126 ? 4 : 2;
    const length =
      short === 127 ? chunk.readUInt32BE(at + 6) : short === 126 ? chunk.readUInt16BE(at + 2) : short;
    frames.push(JSON.parse(chunk.toString('utf8', at + header, at + header + length)) as Frame);
    at += header + length;
  }
  return frames;
}

export interface World {
  readonly side: RedisSide;
  readonly hub: Hub;
  readonly stats: RealtimeStats;
  readonly rollbacks: { from: number; to: number | undefined }[];
  /** Hears of each of {@link lost}. */
  onLost: (rooms: readonly Room[]) => void;
  /** Rooms that were found to be gone. */
  readonly lost: readonly RoomId[];
  readonly redis: Redis;
  /** What becomes of the events of a room: handed on as the answer says. */
  tamper: (events: RoomEvent[], room: number) => RoomEvent[];
  /** Runs after every read of a page, before its reader has the page. */
  afterRead: () => Promise<void>;
  readonly newRoom: () => Promise<Room>;
  readonly append: (room: Room, text: string) => Promise<Appended>;
  /** Appends `count` messages, named by their numbers from `from`. */
  readonly appendMany: (room: Room, from: number, count: number) => Promise<void>;
  readonly read: (
    room: Room,
    start?: ReadStart,
    oneRoom?: boolean,
  ) => Promise<{ sink: Sink; session: Session; feed: RoomFeed }>;
  /** What a fail-over to a replica that lagged does: entries above `offset` are gone, as if they had never been. */
  readonly forget: (room: Room, offset: number) => Promise<void>;
}

/** Starts a Redis and a hub over it. With `checks` the hub looks at the tips every two seconds, as in a node. */
export async function startWorld(t: Owner, { checks = false, newest = 50 } = {}): Promise<World> {
  const server = await startRedis(t);
  const side = redisSide(t, server);
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const stats = realtimeStats();
  const rollbacks: World['rollbacks'] = [];
  const lost: RoomId[] = [];
  const log: Log = {
    append: (draft) => side.log.append(draft),
    readOne: (room, offset) => side.log.readOne(room, offset),
    tips: (rooms) => side.log.tips(rooms),
    recentlyAppended: (rooms) => side.log.recentlyAppended(rooms),
    readAfter: async (room, after, count) => {
      const page = await side.log.readAfter(room, after, count);
      await world.afterRead();
      return page;
    },
    readBefore: async (room, upTo, count) => {
      const page = await side.log.readBefore(room, upTo, count);
      await world.afterRead();
      return page;
    },
  };
  const hub = new Hub({
    log,
    rooms: side.rooms,
    fanOut: side.fanOut,
    stats,
    profiles: async () => new Map(),
    marks: async () => new RoomMarks(new Map()),
    newest,
    onRollback: (_, from, to) => rollbacks.push({ from: from.offset, to: to?.offset }),
    onLost: (rooms) => {
      lost.push(...rooms.map(({ id }) => id));
      world.onLost(rooms);
    },
  });
  t.teardown(() => hub.close());
  const append = (room: Room, text: string) => side.log.append(draftOf(room, { sender: 'writer', text }));
  const world: World = {
    side,
    hub,
    stats,
    rollbacks,
    lost,
    redis,
    tamper: (events) => events,
    onLost: () => undefined,
    afterRead: async () => undefined,
    newRoom: () => side.rooms.createPublic('a room'),
    append,
    appendMany: async (room, from, count) => {
      await Promise.all(Array.from({ length: count }, (_, i) => append(room, String(from + i))));
    },
    read: async (room, start = { from: 'newest' }, oneRoom = true) => {
      const sink = new Sink();
      const session = hub.session({ user: 'reader', encoder, transport: sink, onEvent: undefined, oneRoom });
      sink.session = session;
      const [feed] = await hub.open([room.id]);
      await session.read(feed as RoomFeed, start);
      return { sink, session, feed: feed as RoomFeed };
    },
    forget: async (room, offset) => {
      const log = keys.log(room.id);
      const gone = (await redis.xrange(log, `0-${offset + 1}`, '+')) as [string, string[]][];
      if (gone.length > 0) await redis.xdel(log, ...gone.map(([id]) => id));
      await redis.call('XSETID', log, `0-${offset}`);
      const [last] = (await redis.xrevrange(log, '+', '-', 'COUNT', 1)) as [string, string[]][];
      if (last) await redis.hset(keys.room(room.id), 'tip', `${offset} ${last[1][9]} ${last[1][1]}`);
      else await redis.hdel(keys.room(room.id), 'tip');
    },
  };
  side.start({
    onEvents: (room, events) => {
      const kept = world.tamper(events, room);
      if (kept.length > 0) hub.onEvents(room, kept);
    },
    onUserEvent: () => undefined,
    onSubscribed: (rooms) => hub.onSubscribed(rooms),
  });
  if (checks) hub.start();
  await until('Redis is heard', () => side.fanOut.hearing);
  return world;
}
