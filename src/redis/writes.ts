import calculateSlot from 'cluster-key-slot';
import { Cluster, type Redis } from 'ioredis';
import { ChatError } from '../core/errors.js';
import { type Client, guard, isElsewhere, isReply, unavailable } from './connection.js';
import { keys, PARTITIONS, partitionSlot } from './keys.js';

/** Makes the writes that somebody is told of. */
export interface Writes {
  /**
   * Makes a write to the slot of `key`, one that may be repeated, and answers what it answers. With `durable` only when it
   * is as safe as that promises.
   * @throws ChatError unavailable: it was not made; in_doubt: it may or may not have been, or not safely
   */
  write<T>(key: string, work: (redis: Client) => Promise<T>): Promise<T>;
}

/** Writes that count when Redis has made them. `client`: with role `commands`. */
export function plainWrites(client: Client): Writes {
  return { write: (_, work) => guard(work(client)) };
}

interface Write {
  readonly key: string;
  readonly work: (redis: Client) => Promise<unknown>;
  /** Monotonic ms. */
  readonly since: number;
  /** Whether it may have reached Redis. */
  sent: boolean;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: ChatError) => void;
}

/** Writes that are under way at once; past it one fails at once rather than later. */
const MAX_OPEN = 10_000;
/** Writes that one wait is for. */
const MAX_ROUND = 256;
/** Every write is answered within this time, one way or the other. */
const DEADLINE_MS = 5_000;
const CLOSE_MS = 2_000;
const SWEEP_MS = 200;
/** What went to the wrong primary, or to none, is tried again after this pause, while its deadline lasts. */
const REROUTE_PAUSE_MS = 100;

/** How a {@link DurableWrites} reaches Redis. */
export interface DurableOptions {
  /** With role `commands`: on a cluster it knows who has which slot. */
  readonly client: Client;
  /** A new connection that waits, with role `waits`: to the primary at `host:port` of a cluster, or to the one there is. */
  readonly connect: (address: string) => Redis;
  /** Waits until what a connection wrote is as safe as configured; false when it is not in time. */
  readonly confirm: (redis: Redis) => Promise<boolean>;
}

/**
 * Writes that count when they are on disk and on replicas. A WAIT covers what its own connection wrote and holds up what
 * comes behind it; so each primary has a connection for this alone, and one wait is for all writes that came meanwhile.
 */
export class DurableWrites implements Writes {
  readonly #options: DurableOptions;
  readonly #lanes = new Map<string, WaitingLane>();
  readonly #open = new Set<Write>();
  #astray: Write[] = [];
  #rerouting: NodeJS.Timeout | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: DurableOptions) {
    this.#options = options;
  }

  write<T>(key: string, work: (redis: Client) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed || this.#open.size >= MAX_OPEN) {
        reject(unavailable(new Error(this.#closed ? 'closing' : 'too many writes wait')));
        return;
      }
      const settled = () => this.#open.delete(write);
      const write: Write = {
        key,
        work,
        since: performance.now(),
        sent: false,
        resolve: (answer) => settled() && resolve(answer as T),
        reject: (error) => settled() && reject(error),
      };
      this.#open.add(write);
      this.#sweep();
      this.#route(write);
    });
  }

  /** Lets what is under way come to its end, for a while; then ends the connections. Never throws. */
  async close(): Promise<void> {
    this.#closed = true;
    const deadline = performance.now() + CLOSE_MS;
    while (this.#open.size > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const write of this.#open) giveUp(write, new Error('closing'));
    clearTimeout(this.#rerouting);
    clearTimeout(this.#sweeping);
    for (const lane of [...this.#lanes.values()]) lane.end();
  }

  #route(write: Write): void {
    const { client } = this.#options;
    const address = client instanceof Cluster ? client.slots[calculateSlot(write.key)]?.[0] : '';
    if (address === undefined) this.#reroute([write]);
    else (this.#lanes.get(address) ?? this.#addLane(address)).push(write);
  }

  #addLane(address: string): WaitingLane {
    const { client, connect, confirm } = this.#options;
    const lane: WaitingLane = new WaitingLane(connect(address), {
      isOpen: (write) => this.#open.has(write),
      reroute: (writes) => this.#reroute(writes),
      // A wait covers what its own connection wrote, and a write that was made before writes nothing: one behind it
      // stands for all.
      confirm: async (redis) => {
        const [, safe] = await Promise.all([redis.set(markAt(client, address), '1'), confirm(redis)]);
        return safe;
      },
      onEnd: () => {
        if (this.#lanes.get(address) === lane) this.#lanes.delete(address);
      },
    });
    this.#lanes.set(address, lane);
    return lane;
  }

  #reroute(writes: readonly Write[]): void {
    this.#astray.push(...writes);
    if (this.#rerouting || this.#astray.length === 0) return;
    const { client } = this.#options;
    if (client instanceof Cluster) client.refreshSlotsCache();
    this.#rerouting = setTimeout(() => {
      this.#rerouting = undefined;
      for (const write of this.#astray.splice(0)) if (this.#open.has(write)) this.#route(write);
    }, REROUTE_PAUSE_MS);
  }

  /** Answers what is late. One timer for all, and only while somebody waits. */
  #sweep(): void {
    this.#sweeping ??= setTimeout(() => {
      this.#sweeping = undefined;
      const late = performance.now() - DEADLINE_MS;
      for (const write of this.#open) {
        if (write.since > late) break; // they are in the order in which they came
        giveUp(write, new Error('write deadline'));
      }
      if (this.#open.size > 0) this.#sweep();
    }, SWEEP_MS);
  }
}

function giveUp(write: Write, cause: Error): void {
  write.reject(write.sent ? inDoubt() : unavailable(cause));
}

/** A key of the primary at `address` (of a cluster), to be written for its own sake. */
function markAt(client: Client, address: string): string {
  if (!(client instanceof Cluster)) return keys.durable(0);
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    if (client.slots[partitionSlot(partition)]?.[0] === address) return keys.durable(partition);
  }
  throw new Error(`no partition lies at ${address}`);
}

interface LaneOptions {
  readonly isOpen: (write: Write) => boolean;
  /** These were not made here, and are to be made elsewhere, or later. */
  readonly reroute: (writes: readonly Write[]) => void;
  readonly confirm: (redis: Redis) => Promise<boolean>;
  readonly onEnd: () => void;
}

/** One connection, from its first breath to its last: what it wrote and what it waits for are never of two servers. */
class WaitingLane {
  readonly #redis: Redis;
  readonly #options: LaneOptions;
  #queue: Write[] = [];
  #busy = false;
  #scheduled = false;
  #ended = false;

  /** `redis`: one that does not reconnect. */
  constructor(redis: Redis, options: LaneOptions) {
    this.#redis = redis;
    this.#options = options;
    redis.on('ready', () => this.#schedule());
    redis.on('end', () => this.end());
  }

  push(write: Write): void {
    this.#queue.push(write);
    this.#schedule();
  }

  /** Ends it: what waits goes elsewhere, what was sent is in doubt once it fails. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#redis.disconnect(); // also when it ended by itself: what asks the sentinels for news would go on for ever
    this.#options.onEnd();
    this.#options.reroute(this.#queue.splice(0));
  }

  // The writes of one turn of the event loop share a wait.
  #schedule(): void {
    if (this.#scheduled || this.#busy) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#busy || this.#ended || this.#redis.status !== 'ready') return;
      const writes = this.#queue.splice(0, MAX_ROUND).filter(this.#options.isOpen);
      if (writes.length === 0) return;
      this.#busy = true;
      void this.#round(writes).finally(() => {
        this.#busy = false;
        if (this.#queue.length > 0) this.#schedule();
      });
    });
  }

  async #round(writes: readonly Write[]): Promise<void> {
    for (const write of writes) write.sent = true;
    const outcomes = await Promise.allSettled(writes.map(({ work }) => work(this.#redis)));
    const made = outcomes.some(({ status }) => status === 'fulfilled');
    const safe = made && (await this.#confirm());
    const elsewhere: Write[] = [];
    outcomes.forEach((outcome, i) => {
      const write = writes[i] as Write;
      if (outcome.status === 'fulfilled') {
        if (safe) write.resolve(outcome.value);
        else write.reject(inDoubt());
      } else if (isElsewhere(outcome.reason)) {
        write.sent = false;
        elsewhere.push(write);
      } else this.#onFailed(write, outcome.reason);
    });
    this.#options.reroute(elsewhere);
  }

  async #confirm(): Promise<boolean> {
    try {
      return await this.#options.confirm(this.#redis);
    } catch (error) {
      if (!isReply(error)) this.end();
      return false;
    }
  }

  #onFailed(write: Write, error: unknown): void {
    if (isReply(error)) {
      write.reject(unavailable(error)); // it comes before the first write
      return;
    }
    write.reject(inDoubt());
    // Whatever broke the call, this connection is not to be trusted with the next one.
    this.end();
  }
}

function inDoubt(): ChatError {
  return new ChatError('in_doubt', 'this may or may not have been stored; repeat it', { retryAfterS: 1 });
}
