import type { Appended, Draft } from '../core/ports.js';
import { encodeId, keys, roomPartition } from './keys.js';

/** How long an idempotency key is remembered, in seconds. */
const KEY_TTL_S = 24 * 60 * 60;

/** Messages of one script call, and their bytes. */
const BATCH_MESSAGES = 64;
const BATCH_BYTES = 256 * 1024;

/** A draft on its way into the log. */
export interface PendingAppend {
  readonly draft: Draft;
  /** When the caller asked, in ms of the monotonic clock. */
  readonly since: number;
  readonly bytes: number;
  /** Whether the sender is to be made a member of the room. */
  readonly join: boolean;
  /** False once the caller has been answered: whatever comes later is nobody's business. */
  open: boolean;
  resolve(result: Appended): void;
  reject(error: Error): void;
}

/** The keys and arguments of `append.lua` for some drafts, and the drafts in the order of its answers. */
export interface AppendCall {
  readonly keys: string[];
  readonly args: (string | number)[];
  readonly items: PendingAppend[];
}

/** Takes the drafts of the next call out of `queue`: its first ones, or with `onePartition` the first ones of one partition. */
export function takeBatch(queue: PendingAppend[], onePartition: boolean): PendingAppend[] {
  const partition = onePartition ? partitionOf(queue[0]) : undefined;
  const batch: PendingAppend[] = [];
  const passed: PendingAppend[] = [];
  let bytes = 0;
  for (const item of queue) {
    if (partition !== undefined && partitionOf(item) !== partition) {
      passed.push(item);
      continue;
    }
    if (batch.length > 0 && (batch.length >= BATCH_MESSAGES || bytes + item.bytes > BATCH_BYTES)) break;
    batch.push(item);
    bytes += item.bytes;
  }
  queue.splice(0, batch.length + passed.length, ...passed);
  return batch;
}

function partitionOf(item: PendingAppend | undefined): number | undefined {
  return item && roomPartition(item.draft.room.id);
}

/** Builds one call out of `items`. Drafts of one room stay in their order; rooms are brought together. */
export function buildAppend(items: readonly PendingAppend[], keepMessages: number): AppendCall {
  const call: AppendCall = { keys: [], args: [keepMessages, KEY_TTL_S], items: [] };
  for (const group of groupByRoom(items)) {
    const { id: room, kind } = (group[0] as PendingAppend).draft.room;
    call.keys.push(
      keys.room(room),
      keys.log(room),
      keys.recent(roomPartition(room)),
      kind === 'agent' ? keys.agentPending(roomPartition(room)) : keys.members(room),
      keys.read(room),
    );
    call.args.push(group.length);
    for (const item of group) addDraft(call, item);
  }
  return call;
}

function addDraft(call: AppendCall, item: PendingAppend): void {
  const { room, nonce, sender, text, attachments, via, profile, key } = item.draft;
  call.items.push(item);
  call.keys.push(
    room.kind === 'public' ? keys.room(room.id) : keys.readRanges(room.id, sender),
    key === undefined ? keys.room(room.id) : keys.sent(room.id, sender, key),
  );
  call.args.push(
    `${nonce} ${encodeId(sender)} ${via} ${item.join ? '1' : '0'} ${key === undefined ? '0' : '1'}`,
    `${JSON.stringify(sender)},${JSON.stringify(text)}`,
    attachments.length === 0 ? '' : JSON.stringify(attachments),
    profile === undefined ? '' : JSON.stringify(profile),
  );
}

function groupByRoom(items: readonly PendingAppend[]): PendingAppend[][] {
  if (items.length === 1) return [items as PendingAppend[]];
  const groups = new Map<number, PendingAppend[]>();
  for (const item of items) {
    const group = groups.get(item.draft.room.id);
    if (group) group.push(item);
    else groups.set(item.draft.room.id, [item]);
  }
  return [...groups.values()];
}
