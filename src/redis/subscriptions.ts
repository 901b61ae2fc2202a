import { Cluster } from 'ioredis';
import type { RoomId } from '../core/ids.js';
import { seldom } from '../core/seldom.js';
import { type Client, COMMAND_DEADLINE_MS, disconnect, type Log, unavailable } from './connection.js';
import { byTag, channels, PARTITION_TAGS } from './keys.js';

/** Channels that were asked for together; one promise for all of them, however many rooms a person has. */
interface Request {
  readonly channels: readonly string[];
  /** Channels that are not subscribed yet. */
  left: number;
  /** Monotonic ms. */
  readonly since: number;
  readonly done: Promise<void>;
  readonly settle: (error?: Error) => void;
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
/** While it fails it is said at most so often. */
const TELL_MS = 5_000;
/** How often it is looked for subscriptions that are late. */
const WATCH_MS = 250;

/**
 * The sharded channels that this node listens to. Subscribing resolves when Redis has acknowledged;
 * after every reconnect all channels are subscribed anew and reported as renewed. On a cluster the
 * client library re-subscribes by itself, and says when.
 */
export class Subscriptions {
  readonly #connect: () => Client;
  #client: Client;
  readonly #handler: SubscriptionHandler;
  readonly #tell: (error: string, failed: number) => void;
  /** A room's channel stands here as its number, which takes no string: a person has thousands of them. */
  #live = new Set<string | RoomId>();
  /** To be subscribed, or on the way: for a request, or because a reconnect has to make it anew. */
  readonly #due = new Map<string, Request | 'renewal'>();
  readonly #requests = new Set<Request>();
  #fresh: Request[] = [];
  #renewTimer: NodeJS.Timeout | undefined;
  #againTimer: NodeJS.Timeout | undefined;
  #watcher: NodeJS.Timeout | undefined;
  reconnects = 0;

  /** `connect`: makes a client with role `subscriptions`. */
  constructor(connect: () => Client, handler: SubscriptionHandler, log: Log) {
    this.#connect = connect;
    this.#handler = handler;
    this.#tell = seldom(TELL_MS, (error: string, failed: number) =>
      log.warn({ error, failed }, 'subscribing failed'),
    );
    this.#client = this.#listen();
  }

  #listen(): Client {
    const client = this.#connect();
    // What a client that was given up still says is nobody's business.
    const given = () => client !== this.#client;
    client.on('smessage', (channel: string, payload: string) => {
      if (!given()) this.#handler.onMessage(channel, payload);
    });
    client.on('ready', () => {
      if (!given()) void this.#onReady();
    });
    client.on(client instanceof Cluster ? 'subscribersReady' : 'close', () => {
      if (given()) return;
      if (client instanceof Cluster) this.#renewSoon();
      else this.#allDue();
    });
    return client;
  }

  /**
   * Resolves when Redis has acknowledged all of them.
   * @throws ChatError unavailable when it does not within the command deadline; none of them is kept then
   */
  async subscribe(channels: readonly string[]): Promise<void> {
    const others = new Set<Promise<void>>();
    const own: string[] = [];
    for (const channel of channels) {
      if (this.#live.has(shortOf(channel))) continue;
      const due = this.#due.get(channel);
      if (due && due !== 'renewal') others.add(due.done);
      else own.push(channel);
    }
    if (own.length > 0) others.add(this.#request(own));
    await Promise.all(others);
  }

  #request(channels: readonly string[]): Promise<void> {
    const { promise: done, resolve, reject } = deferred();
    const settle = (error?: Error) => {
      this.#requests.delete(request);
      if (error) reject(error);
      else resolve();
    };
    const request: Request = { channels, left: channels.length, since: performance.now(), done, settle };
    this.#requests.add(request);
    for (const channel of channels) this.#due.set(channel, request);
    if (this.#fresh.length === 0) setImmediate(() => void this.#subscribeFresh());
    this.#fresh.push(request);
    this.#watch();
    return done;
  }

  unsubscribe(channel: string): void {
    const known = this.#live.delete(shortOf(channel));
    if (!this.#due.delete(channel) && !known) return;
    // Without an answer the connection breaks, and is made anew without this channel.
    if (this.#client.status === 'ready') this.#client.sunsubscribe(channel).catch(() => undefined);
  }

  /**
   * Gives the connection up and makes it anew: the cure for a subscription that died silently. A new client, because
   * that of a cluster may never listen again when it is told to reconnect amid a fail-over.
   */
  renew(): void {
    const old = this.#client;
    if (old.status !== 'ready') return; // it is being made anew already
    this.#allDue();
    this.#client = this.#listen();
    void disconnect(old);
  }

  async close(): Promise<void> {
    for (const timer of [this.#renewTimer, this.#againTimer, this.#watcher]) clearTimeout(timer);
    for (const request of this.#requests) this.#giveUp(request, unavailable(new Error('closing')));
    await disconnect(this.#client);
  }

  /** Gives up on what is not acknowledged in time. One timer for all, and only while somebody waits. */
  #watch(): void {
    this.#watcher ??= setTimeout(() => {
      this.#watcher = undefined;
      const late = performance.now() - COMMAND_DEADLINE_MS;
      for (const request of this.#requests)
        if (request.since <= late) this.#giveUp(request, unavailable(new Error('subscribe deadline')));
      if (this.#requests.size > 0) this.#watch();
    }, WATCH_MS);
  }

  #giveUp(request: Request, error: Error): void {
    for (const channel of request.channels) if (this.#due.get(channel) === request) this.unsubscribe(channel);
    request.settle(error);
  }

  #allDue(): void {
    for (const short of this.#live) this.#due.set(channelOf(short), 'renewal');
    this.#live = new Set();
  }

  async #subscribeFresh(): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = [];
    if (this.#client.status !== 'ready') return; // `ready` subscribes everything that waits
    await this.#subscribeAll(fresh.flatMap(({ channels }) => channels));
  }

  // On a cluster its slots are asked side by side: none waits for another one.
  async #subscribeAll(channels: readonly string[]): Promise<void> {
    const client = this.#client;
    const groups = client instanceof Cluster ? byTag(channels) : [channels];
    const asked = await Promise.allSettled(groups.map((group) => this.#subscribeGroup(client, group)));
    const failed = asked.filter((one) => one.status === 'rejected');
    if (failed.length === 0) return;
    this.#tell(String(failed[0]?.reason), failed.length);
    this.#subscribeAgain();
  }

  // Channels of one slot where it is a cluster.
  async #subscribeGroup(client: Client, group: readonly string[]): Promise<void> {
    const renewed: string[] = [];
    try {
      for (let i = 0; i < group.length && client === this.#client; i += CHUNK) {
        // A map: a repeated SSUBSCRIBE leaks an entry.
        const asked = new Map<string, Request | 'renewal'>();
        for (const channel of group.slice(i, i + CHUNK)) {
          const due = this.#due.get(channel);
          if (due) asked.set(channel, due);
        }
        if (asked.size === 0) continue;
        await this.#ask(client, [...asked.keys()]);
        if (client !== this.#client) return; // given up: its successor makes them all
        for (const [channel, due] of asked) this.#onLive(channel, due, renewed);
      }
    } finally {
      if (renewed.length > 0 && client === this.#client) this.#handler.onRenewed(renewed);
    }
  }

  async #ask(client: Client, channels: readonly string[]): Promise<void> {
    try {
      await client.ssubscribe(...channels);
    } catch (error) {
      // That of a cluster keeps what it could not subscribe, once more each time.
      if (client instanceof Cluster) client.sunsubscribe(...channels).catch(() => undefined);
      throw error;
    }
  }

  // A connection that broke is `ready` again; but one slot of a cluster may fail while its client is well. What was asked
  // for anew has its own deadline.
  #subscribeAgain(): void {
    this.#againTimer ??= setTimeout(() => {
      this.#againTimer = undefined;
      if (this.#client.status !== 'ready') return;
      const due = [...this.#due].flatMap(([channel, due]) => (due === 'renewal' ? channel : []));
      void this.#subscribeAll(due);
    }, RENEW_PAUSE_MS).unref();
  }

  #onLive(channel: string, due: Request | 'renewal', renewed: string[]): void {
    // Given up since it was asked for; who wants it again has asked again, behind the SUNSUBSCRIBE.
    if (this.#due.get(channel) !== due) return;
    this.#due.delete(channel);
    this.#live.add(shortOf(channel));
    if (due === 'renewal') {
      renewed.push(channel);
      return;
    }
    due.left -= 1;
    if (due.left === 0) due.settle();
  }

  async #onReady(): Promise<void> {
    this.reconnects += 1;
    clearTimeout(this.#againTimer); // all that is due is asked for now
    this.#againTimer = undefined;
    await this.#subscribeAll([...this.#due.keys()]);
  }

  #renewSoon(): void {
    this.#renewTimer ??= setTimeout(() => {
      this.#renewTimer = undefined;
      this.#handler.onRenewed([...this.#live].map(channelOf));
    }, RENEW_PAUSE_MS);
  }
}

function shortOf(channel: string): string | RoomId {
  return channels.roomOf(channel) ?? channel;
}

function channelOf(short: string | RoomId): string {
  return typeof short === 'number' ? channels.room(short) : short;
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = resolve;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
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
