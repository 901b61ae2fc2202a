import { Cluster, Redis } from 'ioredis';
import type { Appended, Draft } from '../core/ports.js';
import { type PendingAppend, partitionOf } from './batch.js';
import { type Client, connectPrimary, disconnect, onNewPrimary, unavailable } from './connection.js';
import { partitionSlot } from './keys.js';
import { AppendLane, type LaneOptions, MAX_QUEUED, MAX_QUEUED_BYTES, SEND_DEADLINE_MS } from './lane.js';
import { settle } from './outcomes.js';

/** How many (room, sender) pairs a node remembers as members, to spare Redis the question. */
const KNOWN_MEMBERS = 50_000;
/** What went to the wrong primary is sent again after this pause, while its deadline lasts. */
const REROUTE_PAUSE_MS = 100;
/** What a draft costs beside its text: ids, keys, envelope. */
const ITEM_OVERHEAD_BYTES = 512;

/**
 * Puts drafts on lanes: one lane to a single Redis (or the primary of a Sentinel group), one to each
 * primary of a cluster.
 */
export class Appender {
  readonly #client: Client;
  readonly #name: string;
  readonly #options: LaneOptions;
  readonly #lanes = new Map<string, { lane: AppendLane; redis: Redis }>();
  /** Who has spoken in which public room. */
  readonly #members = new Set<string>();
  #looking: NodeJS.Timeout | undefined;
  /** Drafts of a cluster that are to be routed anew, and their bytes. */
  #astray: PendingAppend[] = [];
  #astrayBytes = 0;
  /** Partitions of which some are astray, or may come back: what comes later waits behind them. */
  readonly #unsettled = new Set<number>();
  #rerouting: NodeJS.Timeout | undefined;
  #closed = false;

  /** `client`: with role `appends`, used by nothing else, named `name`. */
  constructor(
    client: Client,
    name: string,
    options: Omit<LaneOptions, 'misrouted' | 'onePartition' | 'serves'>,
  ) {
    this.#client = client;
    this.#name = name;
    this.#options =
      client instanceof Cluster
        ? { ...options, onePartition: true, misrouted: (items) => this.#onMisrouted(client, items) }
        : { ...options, onePartition: false };
    onNewPrimary(client, () => this.#members.clear());
    if (client instanceof Redis) this.#addLane('', client);
    else client.on('refresh', () => this.#onRefresh(client));
  }

  append(draft: Draft): Promise<Appended> {
    const { id, createdMs, kind } = draft.room;
    const members = this.#members;
    const pair = kind === 'public' ? `${id} ${createdMs} ${draft.sender}` : undefined;
    return new Promise((resolve, reject) => {
      this.#route({
        draft,
        since: performance.now(),
        bytes: Buffer.byteLength(draft.text) + ITEM_OVERHEAD_BYTES,
        join: pair === undefined ? undefined : () => !members.has(pair),
        open: true,
        resolve: pair === undefined ? resolve : (stored) => resolve(this.#remember(pair, stored)),
        reject,
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#looking);
    clearTimeout(this.#rerouting);
    for (const item of this.#astray.splice(0)) settle(item, unavailable(new Error('closing')));
    await Promise.all([...this.#lanes.values()].map(({ lane }) => lane.close()));
    await Promise.all([...this.#lanes.values()].map(({ redis }) => disconnect(redis)));
    if (this.#client instanceof Cluster) await disconnect(this.#client);
  }

  #remember(pair: string, stored: Appended): Appended {
    if (this.#members.size >= KNOWN_MEMBERS) this.#members.clear();
    this.#members.add(pair);
    return stored;
  }

  #route(item: PendingAppend): void {
    const partition = partitionOf(item);
    const address = this.#unsettled.has(partition) ? undefined : this.#addressOf(partition);
    if (address === undefined) {
      // The cluster is yet to say who it is: as long as one would wait for one Redis that is yet to come.
      this.#reroute(this.#client as Cluster, [item]);
      return;
    }
    const known = this.#lanes.get(address) ?? this.#connectLane(address);
    known.lane.push(item);
  }

  #addressOf(partition: number): string | undefined {
    if (!(this.#client instanceof Cluster)) return '';
    return this.#client.slots[partitionSlot(partition)]?.[0];
  }

  // From now on drafts go by the new map. Those that lie where the old one sent them must not be overtaken.
  #onRefresh(cluster: Cluster): void {
    this.#waitForMoved();
    for (const [address, { lane }] of this.#lanes)
      this.#reroute(
        cluster,
        lane.takeBack((item) => this.#addressOf(partitionOf(item)) !== address),
      );
  }

  // What waits behind them in a lane goes with them: it is not to be sent before them.
  #onMisrouted(cluster: Cluster, items: readonly PendingAppend[]): void {
    this.#reroute(cluster, items);
    for (const { lane } of this.#lanes.values())
      this.#reroute(
        cluster,
        lane.takeBack((item) => this.#unsettled.has(partitionOf(item))),
      );
  }

  // What is under way to a primary that does not have the partition any more comes back, or is given up in time.
  #waitForMoved(): void {
    for (const [address, { lane }] of this.#lanes) {
      for (const item of lane.inFlight()) {
        const partition = partitionOf(item);
        if (this.#addressOf(partition) !== address) this.#unsettled.add(partition);
      }
    }
  }

  // A connection of the lane's own: the cluster client would repeat a write whose answer it lost.
  #connectLane(address: string): { lane: AppendLane; redis: Redis } {
    const cluster = this.#client as Cluster;
    const redis = connectPrimary(cluster, address);
    // It may be dead for good: who is primary now, nobody else asks for this client.
    redis.on('error', () => this.#lookAgain(cluster));
    redis.on('ready', () => this.#members.clear()); // as with any new primary
    return this.#addLane(address, redis);
  }

  #addLane(address: string, redis: Redis): { lane: AppendLane; redis: Redis } {
    const serves = (partition: number) => (this.#addressOf(partition) ?? address) === address;
    const entry = { lane: new AppendLane(redis, this.#name, { ...this.#options, serves }), redis };
    this.#lanes.set(address, entry);
    return entry;
  }

  #lookAgain(cluster: Cluster): void {
    this.#looking ??= setTimeout(() => {
      cluster.refreshSlotsCache(() => {
        this.#looking = undefined;
        this.#pruneLanes(cluster);
      });
    }, REROUTE_PAUSE_MS);
  }

  // A primary that left the cluster: what waits in its lane goes to the one that follows it. What was in flight stays
  // in doubt, since only the old one could tell.
  #pruneLanes(cluster: Cluster): void {
    const primaries = new Set(
      cluster.nodes('master').map((node) => `${node.options.host}:${node.options.port}`),
    );
    for (const [address, { lane, redis }] of this.#lanes) {
      if (primaries.size === 0 || primaries.has(address)) continue;
      this.#lanes.delete(address);
      this.#reroute(cluster, lane.retire());
      redis.disconnect();
    }
  }

  #reroute(cluster: Cluster, items: readonly PendingAppend[]): void {
    for (const item of items) {
      if (this.#closed) {
        settle(item, unavailable(new Error('closing')));
        continue;
      }
      if (this.#astray.length >= MAX_QUEUED || this.#astrayBytes + item.bytes > MAX_QUEUED_BYTES) {
        settle(item, unavailable(new Error('too many sends without a primary')));
        continue;
      }
      this.#astray.push(item);
      this.#astrayBytes += item.bytes;
      this.#unsettled.add(partitionOf(item));
    }
    if (this.#rerouting || this.#astray.length === 0) return;
    cluster.refreshSlotsCache();
    this.#rerouting = setTimeout(() => {
      this.#rerouting = undefined;
      this.#unsettled.clear();
      this.#waitForMoved();
      // Some come back later than others that were sent after them.
      const astray = this.#astray.splice(0).sort((a, b) => a.since - b.since);
      this.#astrayBytes = 0;
      for (const item of astray) {
        if (performance.now() - item.since > SEND_DEADLINE_MS)
          settle(item, unavailable(new Error('send deadline')));
        else if (item.open) this.#route(item);
      }
    }, REROUTE_PAUSE_MS);
  }
}
