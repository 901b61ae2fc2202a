import type { RoomId, UserId } from '../core/ids.js';
import type { EphemeralEvent } from '../core/model.js';
import type { FanOut, FanOutHandler } from '../core/ports.js';
import { type Client, guard, type Log } from './connection.js';
import { decodeEvents, decodeUserEvent, encodeEphemeral } from './events.js';
import { channels, partitionSlot } from './keys.js';
import { probedPartitions, Subscriptions } from './subscriptions.js';

const PROBE_EVERY_MS = 2_000;
/** Published, answered, and not heard for this long: the subscription is dead. */
const DEAF_AFTER_MS = 6_000;

interface Probe {
  /** Whether it came back since the subscription was made. */
  heard: boolean;
  /** When the newest one came back or it was subscribed anew, and when the newest one went out and was answered (monotonic ms). */
  heardAt: number;
  publishedAt: number;
}

/** What the fan-out counts; the process shows it as metrics. */
export interface FanOutStats {
  undecodable: number;
  deafness: number;
}

/**
 * Fan-out over sharded pub/sub, and the proof that it delivers: every 2 s the node publishes on a
 * channel of its own at each primary and expects to hear it. A healthy TCP connection proves
 * nothing: after a fail-over or behind a proxy a subscription can be dead on a live connection.
 */
export class RedisFanOut implements FanOut {
  readonly stats: FanOutStats = { undecodable: 0, deafness: 0 };
  readonly #commands: Client;
  readonly #subscriptions: Subscriptions;
  readonly #node: string;
  readonly #log: Log;
  #handler: FanOutHandler | undefined;
  /** Hears whose profile has changed. */
  onProfile: (user: UserId) => void = () => undefined;
  readonly #probes = new Map<string, Probe>();
  #timer: NodeJS.Timeout | undefined;
  #answeredAt: number | undefined;

  /** `connect`: makes the client that listens. */
  constructor(commands: Client, connect: () => Client, node: string, log: Log) {
    this.#commands = commands;
    this.#node = node;
    this.#log = log;
    const handler = {
      onMessage: (channel: string, payload: string) => {
        try {
          this.#onMessage(channel, payload);
        } catch (error) {
          // A fault with one event must not end the node; the log makes up for what was not delivered.
          log.error({ err: error, channel }, 'an event could not be handled');
        }
      },
      onRenewed: (names: readonly string[]) => this.#onRenewed(names),
    };
    this.#subscriptions = new Subscriptions(connect, handler, log);
  }

  /** Starts to deliver to `handler`, and to probe. */
  start(handler: FanOutHandler): void {
    this.#handler = handler;
    this.#timer = setInterval(() => this.#probe(), PROBE_EVERY_MS);
    this.#probe();
  }

  subscribe(rooms: readonly RoomId[]): Promise<void> {
    return this.#subscriptions.subscribe(rooms.map(channels.room));
  }

  unsubscribe(room: RoomId): void {
    this.#subscriptions.unsubscribe(channels.room(room));
  }

  subscribeUser(user: UserId): Promise<void> {
    return this.#subscriptions.subscribe([channels.user(user)]);
  }

  unsubscribeUser(user: UserId): void {
    this.#subscriptions.unsubscribe(channels.user(user));
  }

  async publish(room: RoomId, event: EphemeralEvent): Promise<void> {
    await guard(this.#commands.spublish(channels.room(room), encodeEphemeral(event)));
  }

  /** Whether what is published arrives, as far as Redis answers at all. False until the first probe came back. */
  get hearing(): boolean {
    const probes = [...this.#probes.values()];
    return probes.length > 0 && probes.every((probe) => probe.heard && !isDeaf(probe));
  }

  /** When Redis last answered a probe's publication (monotonic ms); undefined: never. */
  get answeredAt(): number | undefined {
    return this.#answeredAt;
  }

  /** Times the subscriber connection was made. */
  get connects(): number {
    return this.#subscriptions.reconnects;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#subscriptions.close();
  }

  #onMessage(channel: string, payload: string): void {
    const room = channels.roomOf(channel);
    if (room !== undefined) {
      const events = decodeEvents(room, payload);
      if (events) this.#handler?.onEvents(room, events);
      else this.stats.undecodable += 1;
      return;
    }
    if (channel === channels.profiles) {
      this.onProfile(payload);
      return;
    }
    const probe = this.#probes.get(channel);
    if (probe) {
      probe.heard = true;
      probe.heardAt = performance.now();
      return;
    }
    this.#onUserMessage(channel, payload);
  }

  #onUserMessage(channel: string, payload: string): void {
    const user = channels.userOf(channel);
    const event = decodeUserEvent(payload);
    if (user !== undefined && event) this.#handler?.onUserEvent(user, event);
    else this.stats.undecodable += 1;
  }

  #onRenewed(names: readonly string[]): void {
    const now = performance.now();
    for (const name of names) {
      const probe = this.#probes.get(name);
      // What went out before says nothing about this subscription: Redis may have been away for long.
      if (probe) probe.heardAt = Math.max(probe.heardAt, now);
    }
    const rooms = names.map(channels.roomOf).filter((room) => room !== undefined);
    const users = names.map(channels.userOf).filter((user) => user !== undefined);
    this.#handler?.onSubscribed(rooms, users);
  }

  #probe(): void {
    this.#followTopology();
    // Once it is there this changes nothing.
    this.#subscriptions.subscribe([channels.profiles]).catch(() => undefined);
    const now = performance.now();
    for (const [channel, probe] of this.#probes) {
      if (isDeaf(probe)) this.#heal(channel, probe);
      // A publication that fails says nothing about hearing: Redis is away.
      this.#commands.spublish(channel, '1').then(
        () => {
          probe.publishedAt = now;
          this.#answeredAt = performance.now();
        },
        () => undefined,
      );
    }
  }

  #heal(channel: string, probe: Probe): void {
    this.stats.deafness += 1;
    this.#log.error({ channel }, 'deaf: what is published does not arrive; subscribing anew');
    probe.heard = false;
    probe.heardAt = probe.publishedAt;
    this.#subscriptions.renew();
  }

  #followTopology(): void {
    const wanted = new Set(
      probedPartitions(this.#commands, partitionSlot).map((p) => channels.probe(p, this.#node)),
    );
    for (const channel of this.#probes.keys()) {
      if (wanted.has(channel)) continue;
      this.#probes.delete(channel);
      this.#subscriptions.unsubscribe(channel);
    }
    for (const channel of wanted) {
      if (this.#probes.has(channel)) continue;
      const now = performance.now();
      this.#probes.set(channel, { heard: false, heardAt: now, publishedAt: now });
      this.#subscriptions.subscribe([channel]).catch(() => this.#probes.delete(channel));
    }
  }
}

function isDeaf(probe: Probe): boolean {
  return probe.publishedAt - probe.heardAt > DEAF_AFTER_MS;
}
