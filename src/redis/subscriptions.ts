import { Cluster } from 'ioredis';
import { type Client, COMMAND_DEADLINE_MS, type Log, unavailable } from './connection.js';
import { PARTITION_TAGS } from './keys.js';

interface Entry {
  live: boolean;
  /** Undefined when nobody waits: that is nearly always. */
  waiters: { resolve(): void; reject(error: Error): void; since: number }[] | undefined;
}

/** What hears of messages and of subscriptions that had to be made again. */
export interface SubscriptionHandler {
  onMessage(channel: string, payload: string): void;
  /** Whatever was published on these before may be lost. */
  onRenewed(channels: readonly string[]): void;
}

/** Channels of one SSUBSCRIBE: few round trips, and no reply that blocks others for long. */
const CHUNK = 500;
/** A cluster with a dead primary announces new subscribers many times a second; once is enough. */
const RENEW_PAUSE_MS = 500;
/** How often it is looked for subscriptions that are late. */
const WATCH_MS = 250;

/**
 * The sharded channels that this node listens to. Subscribing resolves when Redis has acknowledged;
 * after every reconnect all channels are subscribed anew and reported as renewed. On a cluster the
 * client library re-subscribes by itself, and says when.
 */
export class Subscriptions {
  readonly #client: Client;
  readonly #handler: SubscriptionHandler;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();
  #fresh: string[] = [];
  #renewTimer: NodeJS.Timeout | undefined;
  #watcher: NodeJS.Timeout | undefined;
  reconnects = 0;

  /** `client`: with role `subscriptions`. */
  constructor(client: Client, handler: SubscriptionHandler, log: Log) {
    this.#client = client;
    this.#handler = handler;
    this.#log = log;
    client.on('smessage', (channel: string, payload: string) => handler.onMessage(channel, payload));
    if (client instanceof Cluster) client.on('subscribersReady', () => this.#renewSoon());
    client.on('ready', () => void this.#onReady());
    client.on('close', () => {
      if (!(client instanceof Cluster)) for (const entry of this.#entries.values()) entry.live = false;
    });
  }

  /** @throws ChatError unavailable when Redis does not acknowledge within the command deadline */
  subscribe(channel: string): Promise<void> {
    let entry = this.#entries.get(channel);
    if (entry?.live) return Promise.resolve();
    if (!entry) {
      entry = { live: false, waiters: undefined };
      this.#entries.set(channel, entry);
      if (this.#fresh.push(channel) === 1) setImmediate(() => void this.#subscribeFresh());
    }
    this.#watch();
    const waiting = entry;
    return new Promise((resolve, reject) => {
      waiting.waiters ??= [];
      waiting.waiters.push({ resolve, reject, since: performance.now() });
    });
  }

  unsubscribe(channel: string): void {
    if (!this.#entries.delete(channel)) return;
    // Without an answer the connection breaks, and is made anew without this channel.
    if (this.#client.status === 'ready') this.#client.sunsubscribe(channel).catch(() => undefined);
  }

  /** Gives the connection up and makes it anew: the cure for a subscription that died silently. */
  renew(): void {
    if (this.#client instanceof Cluster) this.#client.disconnect(true);
    else this.#client.disconnect(true);
  }

  close(): void {
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#watcher);
    for (const channel of this.#entries.keys()) this.#giveUp(channel, unavailable(new Error('closing')));
  }

  /** Gives up on what is not acknowledged in time. One timer for all, and only while somebody waits. */
  #watch(): void {
    this.#watcher ??= setTimeout(() => {
      this.#watcher = undefined;
      const late = performance.now() - COMMAND_DEADLINE_MS;
      let waiting = false;
      for (const [channel, { waiters }] of this.#entries) {
        if (!waiters) continue;
        if ((waiters[0]?.since ?? 0) > late) waiting = true;
        else this.#giveUp(channel, unavailable(new Error('subscribe deadline')));
      }
      if (waiting) this.#watch();
    }, WATCH_MS);
  }

  #giveUp(channel: string, error: Error): void {
    const entry = this.#entries.get(channel);
    if (!entry || entry.live) return;
    this.unsubscribe(channel);
    for (const waiter of takeWaiters(entry)) waiter.reject(error);
  }

  async #subscribeFresh(): Promise<void> {
    const channels = [...new Set(this.#fresh.splice(0))]; // a repeated SSUBSCRIBE leaks an entry
    if (this.#client.status !== 'ready') return; // `ready` subscribes everything that waits
    await this.#subscribeAll(channels);
  }

  // One slot per call on a cluster, any channels otherwise.
  async #subscribeAll(channels: readonly string[]): Promise<string[]> {
    const renewed: string[] = [];
    for (const group of this.#client instanceof Cluster ? byTag(channels) : [channels]) {
      for (let i = 0; i < group.length; i += CHUNK) {
        const chunk = group
          .slice(i, i + CHUNK)
          .filter((channel) => this.#entries.get(channel)?.live === false);
        if (chunk.length === 0) continue;
        try {
          await this.#client.ssubscribe(...chunk);
        } catch (error) {
          // The connection broke: `ready` comes again. Waiters have their own deadline.
          this.#log.warn({ error: String(error), channels: chunk.length }, 'subscribing failed');
          return renewed;
        }
        for (const channel of chunk) this.#onLive(channel, renewed);
      }
    }
    return renewed;
  }

  #onLive(channel: string, renewed: string[]): void {
    const entry = this.#entries.get(channel);
    if (!entry) return;
    entry.live = true;
    if (!entry.waiters) renewed.push(channel);
    for (const waiter of takeWaiters(entry)) waiter.resolve();
  }

  async #onReady(): Promise<void> {
    this.reconnects += 1;
    const renewed = await this.#subscribeAll([...this.#entries.keys()]);
    if (renewed.length > 0) this.#handler.onRenewed(renewed);
  }

  #renewSoon(): void {
    this.#renewTimer ??= setTimeout(() => {
      this.#renewTimer = undefined;
      this.#handler.onRenewed([...this.#entries.keys()]);
    }, RENEW_PAUSE_MS);
  }
}

function takeWaiters(entry: Entry): NonNullable<Entry['waiters']> {
  const waiters = entry.waiters ?? [];
  entry.waiters = undefined;
  return waiters;
}

/** Channels by their hash tag: those of one slot. */
function byTag(channels: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const channel of channels) {
    const tag = channel.slice(1, channel.indexOf('}'));
    const group = groups.get(tag);
    if (group) group.push(channel);
    else groups.set(tag, [channel]);
  }
  return [...groups.values()];
}

/** On a cluster: one partition for each primary; else just the first. Where a probe must come back from. */
export function probedPartitions(client: Client, slotOf: (partition: number) => number): number[] {
  if (!(client instanceof Cluster)) return [0];
  const seen = new Map<string, number>();
  for (let partition = 0; partition < PARTITION_TAGS.length; partition += 1) {
    const primary = client.slots[slotOf(partition)]?.[0];
    if (primary !== undefined && !seen.has(primary)) seen.set(primary, partition);
  }
  return [...seen.values()];
}
