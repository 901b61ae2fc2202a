import { LAST_NUMBER, type RoomId } from '../core/ids.js';
import type { Room, RoomKind } from '../core/model.js';
import type { Appended, Draft } from '../core/ports.js';
import { encodeId, keys, roomPartition } from './keys.js';

/** How long an idempotency key is remembered, in seconds. */
const KEY_TTL_S = 24 * 60 * 60;

/** Rooms whose keys are remembered: about 0.5 KB each. */
const KEPT_ROOMS = 5_000;

/** Messages of one script call, and their bytes. */
const BATCH_MESSAGES = 64;
const BATCH_BYTES = 256 * 1024;

/** A draft on its way into the log. */
export interface PendingAppend {
  readonly draft: Draft;
  /** When the caller asked, in ms of the monotonic clock. */
  readonly since: number;
  readonly bytes: number;
  /** Whether the sender is to be made a member of the room: asked when it is sent, since another primary may not know. */
  readonly join: (() => boolean) | undefined;
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

/** Takes the drafts of the next call out of `queue`: its first ones. */
export function takeFirst(queue: PendingAppend[]): PendingAppend[] {
  let count = 0;
  for (let bytes = 0; count < queue.length; count += 1) {
    bytes += (queue[count] as PendingAppend).bytes;
    if (!fits(count, bytes)) break;
  }
  return queue.splice(0, count);
}

/** Parts `queue` into `most` calls at most, one for each partition that is not `busy`, with its first drafts, and what is left. */
export function takeByPartition(
  queue: readonly PendingAppend[],
  most: number,
  busy: ReadonlySet<number>,
): { calls: PendingAppend[][]; left: PendingAppend[] } {
  const calls = new Map<number, { items: PendingAppend[]; bytes: number; full: boolean }>();
  const left: PendingAppend[] = [];
  for (const item of queue) {
    const partition = partitionOf(item);
    let call = calls.get(partition);
    if (!call && calls.size < most && !busy.has(partition)) {
      call = { items: [], bytes: 0, full: false };
      calls.set(partition, call);
    }
    // What does not fit is not overtaken by something smaller.
    if (call && !call.full) call.full = !fits(call.items.length, call.bytes + item.bytes);
    if (call && !call.full) {
      call.items.push(item);
      call.bytes += item.bytes;
    } else left.push(item);
  }
  return { calls: [...calls.values()].map(({ items }) => items), left };
}

/** Whether a call that has `count` drafts takes one more, with which it has so many bytes. */
function fits(count: number, bytes: number): boolean {
  return count === 0 || (count < BATCH_MESSAGES && bytes <= BATCH_BYTES);
}

/** The partition that a draft's room is in. */
export function partitionOf(item: PendingAppend): number {
  return roomPartition(item.draft.room.id);
}

/** Builds one call out of `items`. Drafts of one room stay in their order; rooms are brought together. */
export function buildAppend(items: readonly PendingAppend[], keepMessages: number): AppendCall {
  const call: AppendCall = { keys: [], args: [keepMessages, KEY_TTL_S, LAST_NUMBER], items: [] };
  for (const group of groupByRoom(items)) {
    call.keys.push(...keysOf((group[0] as PendingAppend).draft.room));
    const { createdMs } = (group[0] as PendingAppend).draft.room;
    call.args.push(`${group.length} ${createdMs}`);
    for (const item of group) addDraft(call, item);
  }
  return call;
}

/** By room, with its kind: after a fail-over a number may be that of a room of another kind. */
const kept = new Map<RoomId, { kind: RoomKind; keys: readonly string[] }>();

/** The keys that the script takes for a room: for those that talk they are made once. */
function keysOf({ id, kind }: Room): readonly string[] {
  const known = kept.get(id);
  if (known?.kind === kind) return known.keys;
  const made = [
    keys.room(id),
    keys.log(id),
    keys.recent(roomPartition(id)),
    kind === 'agent' ? keys.agentPending(roomPartition(id)) : keys.members(id),
    keys.read(id),
  ];
  if (kept.size >= KEPT_ROOMS) kept.clear();
  kept.set(id, { kind, keys: made });
  return made;
}

function addDraft(call: AppendCall, item: PendingAppend): void {
  const { room, nonce, sender, text, attachments, via, profile, key } = item.draft;
  call.items.push(item);
  const ranged = room.kind !== 'public';
  if (ranged) call.keys.push(keys.readRanges(room.id, sender));
  if (key !== undefined) call.keys.push(keys.sent(room.id, sender, key));
  const filed = attachments.length > 0;
  const flags = `${flag(item.join?.() ?? false)}${flag(ranged)}${flag(key !== undefined)}${flag(filed)}${flag(profile !== undefined)}`;
  call.args.push(
    `${nonce} ${encodeId(sender)} ${via} ${flags}`,
    `${JSON.stringify(sender)},${JSON.stringify(text)}`,
  );
  if (filed) call.args.push(JSON.stringify(attachments));
  if (profile !== undefined) call.args.push(JSON.stringify(profile));
}

function flag(yes: boolean): string {
  return yes ? '1' : '0';
}

function groupByRoom(items: readonly PendingAppend[]): PendingAppend[][] {
  if (items.length === 1) return [items as PendingAppend[]];
  const groups = new Map<number | string, PendingAppend[]>();
  for (const item of items) {
    const { id, createdMs } = item.draft.room;
    let group = groups.get(id);
    // A room that a fail-over lost may wait here beside the one that has its number now.
    const other = group && group[0]?.draft.room.createdMs !== createdMs ? `${id} ${createdMs}` : undefined;
    if (other !== undefined) group = groups.get(other);
    if (group) group.push(item);
    else groups.set(other ?? id, [item]);
  }
  return [...groups.values()];
}
