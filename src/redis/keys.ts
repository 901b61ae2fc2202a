import calculateSlot from 'cluster-key-slot';
import type { FileId, RoomId, UserId } from '../core/ids.js';

/**
 * Every key and channel name, in one place. Ids inside a name are percent-encoded, so that `x:y` and
 * `z` never meet `x` and `y:z`.
 *
 * Rooms and users are spread over 256 partitions, each with a hash tag of its own; a partition is
 * the unit of bulk work on a cluster (one script call touches one slot). The tags are chosen so that
 * each partition lies in its own 64 of the 16,384 slots. They name data at rest: they never change.
 */
export const PARTITIONS = 256;

const SLOTS_PER_PARTITION = 16_384 / PARTITIONS;

/**
 * Partitions that follow each other lie this many shares of the slots apart: rooms are numbered from 1, and the first ones
 * are to be spread over all primaries too. Odd, so that every share is met; near 256 divided by the golden ratio.
 */
const STRIDE = 159;

/** The hash tag of each partition: the shortest base-36 number whose slot lies in the partition's share. */
export const PARTITION_TAGS: readonly string[] = (() => {
  const byShare = new Array<string | undefined>(PARTITIONS);
  for (let n = 0, found = 0; found < PARTITIONS; n += 1) {
    const tag = n.toString(36);
    const share = Math.floor(calculateSlot(tag) / SLOTS_PER_PARTITION);
    if (byShare[share] !== undefined) continue;
    byShare[share] = tag;
    found += 1;
  }
  return byShare.map((_, partition) => byShare[(partition * STRIDE) % PARTITIONS] as string);
})();

/** An id as part of a key or field name. Never contains `:`, `|`, `{`, `}`, `%` unescaped, or whitespace. */
export function encodeId(id: string): string {
  return encodeURIComponent(id);
}

/** The inverse of {@link encodeId}. */
export function decodeId(text: string): string {
  return decodeURIComponent(text);
}

export function roomPartition(room: RoomId): number {
  return room % PARTITIONS;
}

export function userPartition(user: UserId): number {
  return calculateSlot(encodeId(user)) % PARTITIONS;
}

function tagOf(partition: number): string {
  return PARTITION_TAGS[partition] as string;
}

/** The slot of a partition's keys. */
export function partitionSlot(partition: number): number {
  return calculateSlot(tagOf(partition));
}

const roomBase = (room: RoomId) => `{${tagOf(roomPartition(room))}}:room:${room}`;
const userBase = (user: UserId) => `{${tagOf(userPartition(user))}}:user:${encodeId(user)}`;

export const keys = {
  room: roomBase,
  log: (room: RoomId) => `${roomBase(room)}:log`,
  members: (room: RoomId) => `${roomBase(room)}:members`,
  read: (room: RoomId) => `${roomBase(room)}:read`,
  delivered: (room: RoomId) => `${roomBase(room)}:delivered`,
  readRanges: (room: RoomId, user: UserId) => `${roomBase(room)}:read:${encodeId(user)}`,
  deliveredRanges: (room: RoomId, user: UserId) => `${roomBase(room)}:delivered:${encodeId(user)}`,
  here: (room: RoomId) => `${roomBase(room)}:here`,
  sent: (room: RoomId, user: UserId, key: string) =>
    `${roomBase(room)}:sent:${encodeId(user)}:${encodeId(key)}`,
  recent: (partition: number) => `{${tagOf(partition)}}:recent`,
  /** Written for its own sake: a wait behind it covers all that its primary has got. */
  durable: (partition: number) => `{${tagOf(partition)}}:durable`,
  /** The questions of a partition's agent rooms that have no answer yet. */
  agentPending: (partition: number) => `{${tagOf(partition)}}:agent:pending`,
  agentLease: (room: RoomId) => `${roomBase(room)}:agent`,
  agentBegun: (room: RoomId) => `${roomBase(room)}:agent:begun`,
  agentJobs: 'agent:jobs',
  agentSweep: 'agent:sweep',
  agentWaiting: 'agent:waiting',
  /** The rooms (`r<id>`) and users (`u<id>`) of a partition that a node counts in. */
  nodeEntries: (partition: number, node: string) => `{${tagOf(partition)}}:node:${encodeId(node)}`,
  user: userBase,
  userRooms: (user: UserId) => `${userBase(user)}:rooms`,
  userOnline: (user: UserId) => `${userBase(user)}:online`,
  userReceipts: (user: UserId) => `${userBase(user)}:receipts`,
  direct: (a: UserId, b: UserId) => `direct:${[encodeId(a), encodeId(b)].sort().join(':')}`,
  publicRooms: 'rooms:public',
  roomCounter: 'counter:rooms',
  users: 'users',
  userCounter: 'counter:users',
  emailIndex: (email: string) => `users:email:${encodeId(email)}`,
  importIndex: (email: string) => `users:import:${encodeId(email)}`,
  attempts: (subject: string) => `attempts:${encodeId(subject)}`,
  nodes: 'nodes',
  eviction: (node: string) => `nodes:evict:${encodeId(node)}`,
  cursorBase: (handle: string) => `cursor:${handle}`,
  file: (file: FileId) => `file:${encodeId(file)}`,
  unattachedFiles: 'files:unattached',
  fileSweep: 'files:sweep',
  ticket: (ticket: string) => `ticket:${ticket}`,
} as const;

const ROOM_PART = ':room:';
const CHANNEL_END = ':events';
const USER_CHANNEL = /:user:([^:]+):events$/;

export const channels = {
  room: (room: RoomId) => `${roomBase(room)}:events`,
  user: (user: UserId) => `${userBase(user)}:events`,
  /** Users whose profiles have changed. */
  profiles: `{${tagOf(0)}}:profiles`,
  /** A node's own channel in a partition: it proves that what is published there comes back. */
  probe: (partition: number, node: string) => `{${tagOf(partition)}}:probe:${encodeId(node)}`,
  /** The room a channel belongs to, undefined when it is no room's. */
  roomOf: (channel: string): RoomId | undefined => {
    const tagEnd = channel.indexOf('}') + 1; // by hand: this is done for every publication
    if (!channel.startsWith(ROOM_PART, tagEnd) || !channel.endsWith(CHANNEL_END)) return undefined;
    return Number(channel.slice(tagEnd + ROOM_PART.length, -CHANNEL_END.length));
  },
  /** The user a channel belongs to, undefined when it is no user's. */
  userOf: (channel: string): UserId | undefined => {
    const match = USER_CHANNEL.exec(channel);
    return match ? decodeId(match[1] as string) : undefined;
  },
} as const;

/** Keys or channels by their hash tag: those of one slot together. */
export function byTag(names: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const tag = name.slice(1, name.indexOf('}'));
    const group = groups.get(tag);
    if (group) group.push(name);
    else groups.set(tag, [name]);
  }
  return [...groups.values()];
}
