import type { Redis } from 'ioredis';
import type { ChatError } from '../core/errors.js';
import { buildAppend, type PendingAppend, partitionOf, takeByPartition, takeFirst } from './batch.js';
import { isElsewhere, isReply, unavailable } from './connection.js';
import { type Found, killOthers, lookUp } from './fence.js';
import { keys, roomPartition } from './keys.js';
import { inDoubt, settle, settleAnswered, settleStored, type Witnesses } from './outcomes.js';
import { scripts } from './scripts.js';

/** What a lane needs to know besides its connection. */
export interface LaneOptions extends Witnesses {
  /** Most messages a log keeps; 0 keeps all. */
  readonly keepMessages: number;
  /** Whether a call may only touch one partition: on a cluster each has a slot of its own. */
  readonly onePartition: boolean;
  /** Waits until what this connection wrote is as safe as configured; false when it is not in time. */
  readonly confirm: ((redis: Redis) => Promise<boolean>) | undefined;
  /** Whether the drafts of this partition go over this connection, as far as is known; undefined: all do. */
  readonly serves?: (partition: number) => boolean;
  /** Redis answered that these belong elsewhere (nothing was written); undefined: fail them. */
  readonly misrouted?: (items: PendingAppend[], error: Error) => void;
}

/** Drafts that went out together. */
interface Call {
  readonly items: PendingAppend[];
  /** Calls go out, and are settled after a broken connection, in the order of these. */
  readonly turn: number;
  /** Monotonic ms. */
  readonly since: number;
  /** Redis had forgotten the script: nothing of the call was stored. */
  refused: boolean;
}

/** Calls without an answer on one connection. */
const MAX_IN_FLIGHT = 8;
/** The same where each is for one partition, and mostly has one message. Not where each is waited for: those go one by one. */
const MAX_IN_FLIGHT_OF_PARTITIONS = 64;
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
  /** Since when there is a connection that is to be made ready (monotonic ms): one that is not in time is given up. */
  #openingSince: number | undefined;
  /** Redis forgot the script: nothing goes out until all calls are answered, and those refused are ahead of the others. */
  #reloading = false;
  #flushScheduled = false;
  readonly #sweeper: NodeJS.Timeout;

  /** `name`: the name that all connections of this lane carry at the server, and no others. */
  constructor(redis: Redis, name: string, options: LaneOptions) {
    this.#redis = redis;
    this.#name = name;
    this.#options = options;
    redis.on('connect', () => {
      this.#openingSince = performance.now();
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
      if (!this.#open) return;
      const { stream } = this.#redis;
      const batches = this.#takeBatches();
      if (batches.length > 1) stream.cork(); // all of a turn leave in one write
      for (const batch of batches) {
        for (const item of batch) this.#queuedBytes -= item.bytes;
        void this.#send(batch);
      }
      if (batches.length > 1) stream.uncork();
    });
  }

  #takeBatches(): PendingAppend[][] {
    if (!this.#options.onePartition) {
      const batches: PendingAppend[][] = [];
      while (this.#queue.length > 0 && this.#inFlight.size + batches.length < MAX_IN_FLIGHT)
        batches.push(takeFirst(this.#queue));
      return batches;
    }
    // A call may meet a slot that moves: the next one of its partition waits, since one that is refused must not be overtaken.
    const busy = new Set([...this.#inFlight].map(({ items }) => partitionOf(items[0] as PendingAppend)));
    const most = this.#options.confirm ? MAX_IN_FLIGHT : MAX_IN_FLIGHT_OF_PARTITIONS;
    const { calls, left } = takeByPartition(this.#queue, most - this.#inFlight.size, busy);
    this.#queue = left;
    return calls;
  }

  async #send(batch: PendingAppend[]): Promise<void> {
    const built = buildAppend(batch, this.#options.keepMessages);
    this.#turns += 1;
    const call: Call = { items: built.items, turn: this.#turns, since: performance.now(), refused: false };
    this.#inFlight.add(call);
    this.#sent = true;
    try {
      const script = this.#redis.evalsha(scripts.append.sha, built.keys.length, ...built.keys, ...built.args);
      // Sent right behind the script, on the connection whose writes it waits for.
      const confirmed = this.#options.confirm?.(this.#redis) ?? Promise.resolve(true);
      const [answer, safe] = await Promise.all([script, confirmed]);
      if (this.#inFlight.delete(call)) settleAnswered(call.items, answer as number[], safe, this.#options);
    } catch (error) {
      if (this.#inFlight.delete(call)) this.#onFailedCall(call, error);
    }
    if (this.#reloading && this.#inFlight.size === 0) void this.#prepare();
    this.#schedule();
  }

  #onFailedCall(call: Call, error: unknown): void {
    // An error reply comes before the first write: nothing of the call was stored.
    if (isReply(error) && error.message.startsWith('NOSCRIPT')) this.#refuse(call);
    else if (isReply(error)) {
      if (isElsewhere(error) && this.#options.misrouted) this.#options.misrouted(call.items, error);
      else settleCall(call, unavailable(error));
    } else {
      this.#doubtful.push(call);
      // Whatever broke the call, this connection is not to be trusted with the next one.
      if (this.#open || this.#reloading) this.#giveUp();
    }
  }

  // Sent again at once it would stand behind those that are under way, which are refused too unless others load the script.
  #refuse(call: Call): void {
    call.refused = true;
    this.#doubtful.push(call);
    if (this.#reloading) return;
    this.#open = false;
    this.#reloading = true;
    this.#openingSince = performance.now();
  }

  /** Gives this connection up for a new one; nothing more is asked of it, and what it still says is not heard. */
  #giveUp(): void {
    this.#onClose();
    this.#redis.disconnect(true);
  }

  #onClose(): void {
    this.#open = false;
    this.#reloading = false;
    this.#openingSince = undefined;
    this.#doubtful.push(...this.#inFlight);
    this.#inFlight.clear();
  }

  async #fence(): Promise<void> {
    // Nothing is in doubt of a connection that never sent anything.
    await this.#prepare(this.#sent ? () => killOthers(this.#redis, this.#name) : undefined);
  }

  /** Makes the connection ready for the next call, after `first`. Never throws: one that fails is given up. */
  async #prepare(first?: () => Promise<void>): Promise<void> {
    this.#reloading = false;
    try {
      await first?.();
      await this.#resolveDoubts();
      // Loaded before it is used: a call that has to be sent again would be overtaken by the next one.
      await this.#redis.script('LOAD', scripts.append.source);
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'making an append connection ready failed');
      if (isReply(error)) await new Promise((resolve) => setTimeout(resolve, FENCE_RETRY_MS));
      this.#redis.disconnect(true);
      return;
    }
    this.#open = true;
    this.#schedule();
  }

  async #resolveDoubts(): Promise<void> {
    // One that went out while the connection was breaking has failed before those ahead of it.
    const calls = this.#doubtful.sort((a, b) => a.turn - b.turn);
    const unsure = calls.flatMap(({ items, refused }) => (refused ? [] : items.filter(({ open }) => open)));
    const found = unsure.length > 0 ? await lookUp(this.#redis, unsure) : new Map<string, Found>();
    const { confirm } = this.#options;
    const safe = confirm && unsure[0] ? await this.#confirmAnew(confirm, unsure[0]) : true;
    this.#doubtful = [];
    const again: PendingAppend[] = [];
    for (const item of calls.flatMap(({ items }) => items)) {
      const outcome = found.get(item.draft.nonce);
      if (!item.open) continue;
      if (outcome === undefined) this.#queueAgain(item, again);
      else if (outcome === 'unknown' || !safe) settle(item, inDoubt());
      else settleStored(item, outcome.offset, outcome.createdMs, false);
    }
    for (const item of again) this.#queuedBytes += item.bytes;
    this.#queue = [...again, ...this.#queue];
  }

  // Where its partition is another primary's by now, others that were sent after it may be stored there.
  #queueAgain(item: PendingAppend, again: PendingAppend[]): void {
    if (this.#options.serves?.(partitionOf(item)) === false)
      settle(item, unavailable(new Error('its slot moved while it was in doubt')));
    else again.push(item);
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
    if (!this.#open && this.#openingSince !== undefined && now - this.#openingSince > CALL_DEADLINE_MS)
      this.#giveUp();
    for (const call of this.#doubtful) settleCall(call, inDoubt(), late);
  }
}

function settleCall({ items }: Call, error: ChatError, which = (_: PendingAppend) => true): void {
  for (const item of items) if (which(item)) settle(item, error);
}
