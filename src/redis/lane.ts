import type { Redis } from 'ioredis';
import { ChatError, notFound } from '../core/errors.js';
import type { Room } from '../core/model.js';
import { buildAppend, type PendingAppend, partitionOf, takeBatch } from './batch.js';
import { isElsewhere, isReply, type Log, unavailable } from './connection.js';
import { killOthers, lookUp } from './fence.js';
import { keys, roomPartition } from './keys.js';
import { runScript, scripts } from './scripts.js';

/** What a lane needs to know besides its connection. */
export interface LaneOptions {
  /** Most messages a log keeps; 0 keeps all. */
  readonly keepMessages: number;
  /** Whether a call may only touch one partition: on a cluster each has a slot of its own. */
  readonly onePartition: boolean;
  /** Waits until what this connection wrote is as safe as configured; false when it is not in time. */
  readonly confirm: ((redis: Redis) => Promise<boolean>) | undefined;
  /** Redis answered that these belong elsewhere (nothing was written); undefined: fail them. */
  readonly misrouted?: (items: PendingAppend[], error: Error) => void;
  /** Redis knows of no such room, any more: a fail-over may have lost it. */
  readonly onMissing: (room: Room) => void;
  readonly log: Log;
}

/** Drafts that went out together. */
interface Call {
  readonly items: PendingAppend[];
  /** Calls go out, and are settled after a broken connection, in the order of these. */
  readonly turn: number;
  /** Monotonic ms. */
  readonly since: number;
}

/** Calls without an answer on one connection. */
const MAX_IN_FLIGHT = 8;
/** What may wait here: past it a send fails at once rather than later. */
export const MAX_QUEUED = 10_000;
export const MAX_QUEUED_BYTES = 32 * 1024 * 1024;
/** A call without an answer for this long: its connection is given up. */
const CALL_DEADLINE_MS = 3_000;
/** Every send is answered within this time, one way or the other. */
export const SEND_DEADLINE_MS = 5_000;
const SWEEP_MS = 200;
/** A Redis that refuses the fence (still loading, or its ACL forbids it) is asked again after this long. */
const FENCE_RETRY_MS = 500;

/**
 * Appends over one connection, exactly once.
 *
 * When the connection breaks, the outcome of what was in flight is unknown, and bytes of the old
 * connection may still execute later. So nothing goes out on the new connection before the old one
 * is fenced (`CLIENT KILL`, answered by the same server); then each nonce in doubt is looked up at the
 * tail of its log: found means stored, absent means that it may be sent again.
 */
export class AppendLane {
  readonly #redis: Redis;
  readonly #options: LaneOptions;
  readonly #name: string;
  #queue: PendingAppend[] = [];
  #queuedBytes = 0;
  readonly #inFlight = new Set<Call>();
  #turns = 0;
  #doubtful: Call[] = [];
  #open = false;
  #sent = false;
  /** Since when there is a connection (monotonic ms): one that is not open in time is given up. */
  #connectedAt: number | undefined;
  #flushScheduled = false;
  readonly #sweeper: NodeJS.Timeout;

  /** `name`: the name that all connections of this lane carry at the server, and no others. */
  constructor(redis: Redis, name: string, options: LaneOptions) {
    this.#redis = redis;
    this.#name = name;
    this.#options = options;
    redis.on('connect', () => {
      this.#connectedAt = performance.now();
    });
    redis.on('ready', () => void this.#fence());
    redis.on('close', () => this.#onClose());
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
    if (redis.status === 'ready') void this.#fence();
  }

  /** Takes a draft; its outcome comes through the item's `resolve` and `reject`. */
  push(item: PendingAppend): void {
    if (this.#queue.length >= MAX_QUEUED || this.#queuedBytes + item.bytes > MAX_QUEUED_BYTES) {
      settle(item, unavailable(new Error('append queue full')));
      return;
    }
    this.#queue.push(item);
    this.#queuedBytes += item.bytes;
    this.#schedule();
  }

  /** What was sent, has no answer yet, and is still waited for. */
  *inFlight(): Generator<PendingAppend> {
    for (const { items } of this.#inFlight) for (const item of items) if (item.open) yield item;
  }

  /** Gives back what waits here and fits `which`: it was never sent. */
  takeBack(which: (item: PendingAppend) => boolean): PendingAppend[] {
    const taken = this.#queue.filter(which);
    if (taken.length === 0) return taken;
    this.#queue = this.#queue.filter((item) => !which(item));
    for (const item of taken) this.#queuedBytes -= item.bytes;
    return taken.filter((item) => item.open);
  }

  /** Sends what waits, then fails what is left. */
  async close(): Promise<void> {
    const deadline = performance.now() + 2_000;
    while ((this.#queue.length > 0 || this.#inFlight.size > 0) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    clearInterval(this.#sweeper);
    for (const item of this.#queue.splice(0)) settle(item, unavailable(new Error('closing')));
    for (const call of this.#inFlight) settleCall(call, inDoubt());
    for (const call of this.#doubtful.splice(0)) settleCall(call, inDoubt());
  }

  /** Ends it without waiting: what was in flight is in doubt. Answers what was never sent. */
  retire(): PendingAppend[] {
    clearInterval(this.#sweeper);
    this.#open = false;
    for (const call of this.#inFlight) settleCall(call, inDoubt());
    this.#inFlight.clear();
    for (const call of this.#doubtful.splice(0)) settleCall(call, inDoubt());
    this.#queuedBytes = 0;
    return this.#queue.splice(0).filter((item) => item.open);
  }

  // The messages of one turn of the event loop travel together.
  #schedule(): void {
    if (this.#flushScheduled || !this.#open) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      while (this.#open && this.#queue.length > 0 && this.#inFlight.size < MAX_IN_FLIGHT) {
        const batch = takeBatch(this.#queue, this.#busyPartitions());
        if (batch.length === 0) return;
        for (const item of batch) this.#queuedBytes -= item.bytes;
        void this.#send(batch);
      }
    });
  }

  // Where a call may meet a slot that moves, the next one of its partition waits: one that is refused must not be overtaken.
  #busyPartitions(): ReadonlySet<number> | undefined {
    if (!this.#options.onePartition) return undefined;
    return new Set([...this.#inFlight].map(({ items }) => partitionOf(items[0] as PendingAppend)));
  }

  async #send(batch: PendingAppend[]): Promise<void> {
    const built = buildAppend(batch, this.#options.keepMessages);
    this.#turns += 1;
    const call: Call = { items: built.items, turn: this.#turns, since: performance.now() };
    this.#inFlight.add(call);
    this.#sent = true;
    try {
      const script = runScript(this.#redis, scripts.append, built.keys, built.args);
      // Sent right behind the script, on the connection whose writes it waits for.
      const confirmed = this.#options.confirm?.(this.#redis) ?? Promise.resolve(true);
      const [answer, safe] = await Promise.all([script, confirmed]);
      if (this.#inFlight.delete(call)) this.#settleAll(call.items, answer as number[], safe);
    } catch (error) {
      if (this.#inFlight.delete(call)) this.#onFailedCall(call, error);
    }
    this.#schedule();
  }

  #settleAll(items: PendingAppend[], answer: number[], safe: boolean): void {
    items.forEach((item, i) => {
      const [outcome, offset, createdMs] = answer.slice(i * 3, i * 3 + 3) as [number, number, number];
      if (!item.open) return;
      if (outcome === 0) this.#onMissing(item);
      else if (outcome === -2) settle(item, fullRoom());
      else if (outcome < 0) settle(item, this.#disagreement(item, offset));
      else if (!safe) settle(item, inDoubt());
      else {
        item.open = false;
        item.resolve({ offset, createdMs, repeated: outcome === 2 });
      }
    });
  }

  #onMissing(item: PendingAppend): void {
    this.#options.onMissing(item.draft.room);
    settle(item, notFound('room'));
  }

  #disagreement(item: PendingAppend, tip: number): ChatError {
    this.#options.log.error({ room: item.draft.room.id, tip }, 'log and tip of a room disagree');
    return new ChatError('internal', 'the message could not be stored');
  }

  #onFailedCall(call: Call, error: unknown): void {
    // An error reply comes before the first write: nothing of the call was stored.
    if (isReply(error)) {
      if (isElsewhere(error) && this.#options.misrouted) this.#options.misrouted(call.items, error);
      else settleCall(call, unavailable(error));
      return;
    }
    this.#doubtful.push(call);
    // Whatever broke the call, this connection is not to be trusted with the next one.
    if (this.#open) this.#giveUp();
  }

  /** Gives this connection up for a new one; nothing more is asked of it, and what it still says is not heard. */
  #giveUp(): void {
    this.#onClose();
    this.#redis.disconnect(true);
  }

  #onClose(): void {
    this.#open = false;
    this.#connectedAt = undefined;
    this.#doubtful.push(...this.#inFlight);
    this.#inFlight.clear();
  }

  async #fence(): Promise<void> {
    try {
      // Nothing is in doubt of a connection that never sent anything.
      if (this.#sent) await killOthers(this.#redis, this.#name);
      await this.#resolveDoubts();
      // Loaded before it is used: a call that has to send its text again would be overtaken by the next one.
      await this.#redis.script('LOAD', scripts.append.source);
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'fencing an append connection failed');
      if (isReply(error)) await new Promise((resolve) => setTimeout(resolve, FENCE_RETRY_MS));
      this.#redis.disconnect(true);
      return;
    }
    this.#open = true;
    this.#schedule();
  }

  async #resolveDoubts(): Promise<void> {
    // One that went out while the connection was breaking has failed before those ahead of it.
    this.#doubtful.sort((a, b) => a.turn - b.turn);
    const doubts = this.#doubtful.flatMap(({ items }) => items).filter((item) => item.open);
    if (doubts.length === 0) {
      this.#doubtful = [];
      return;
    }
    const found = await lookUp(this.#redis, doubts);
    const { confirm } = this.#options;
    const safe = confirm ? await this.#confirmAnew(confirm, doubts[0] as PendingAppend) : true;
    this.#doubtful = [];
    const again: PendingAppend[] = [];
    for (const item of doubts) {
      const outcome = found.get(item.draft.nonce);
      if (!item.open) continue;
      if (outcome === undefined) again.push(item);
      else if (outcome === 'unknown' || !safe) settle(item, inDoubt());
      else {
        item.open = false;
        item.resolve({ offset: outcome.offset, createdMs: outcome.createdMs, repeated: false });
      }
    }
    for (const item of again) this.#queuedBytes += item.bytes;
    this.#queue = [...again, ...this.#queue];
  }

  // A wait covers what its own connection wrote: a write behind the found ones stands for them.
  async #confirmAnew(confirm: (redis: Redis) => Promise<boolean>, found: PendingAppend): Promise<boolean> {
    await this.#redis.set(keys.durable(roomPartition(found.draft.room.id)), '1');
    return confirm(this.#redis);
  }

  #sweep(): void {
    const now = performance.now();
    const late = (item: PendingAppend) => now - item.since > SEND_DEADLINE_MS;
    // Not the first one alone: what was routed anew stands behind others that are younger.
    if (this.#queue.some(late)) {
      for (const item of this.#queue) if (late(item)) settle(item, unavailable(new Error('send deadline')));
      this.#queue = this.#queue.filter((item) => item.open);
      this.#queuedBytes = this.#queue.reduce((sum, item) => sum + item.bytes, 0);
    }
    for (const call of this.#inFlight) {
      settleCall(call, inDoubt(), late);
      if (this.#open && now - call.since > CALL_DEADLINE_MS) this.#giveUp();
    }
    // It connected, and then died without a word before it was fenced.
    if (!this.#open && this.#connectedAt !== undefined && now - this.#connectedAt > CALL_DEADLINE_MS)
      this.#giveUp();
    for (const call of this.#doubtful) settleCall(call, inDoubt(), late);
  }
}

/** Fails a draft, unless its caller has been answered. */
export function settle(item: PendingAppend, error: ChatError): void {
  if (!item.open) return;
  item.open = false;
  item.reject(error);
}

function settleCall({ items }: Call, error: ChatError, which = (_: PendingAppend) => true): void {
  for (const item of items) if (which(item)) settle(item, error);
}

function fullRoom(): ChatError {
  return new ChatError('too_large', 'this room is full: it takes no more messages');
}

function inDoubt(): ChatError {
  return new ChatError(
    'in_doubt',
    'the message may or may not have been stored; repeat it with the same key',
    {
      retryAfterS: 1,
    },
  );
}
