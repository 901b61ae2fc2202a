import { randomBytes } from 'node:crypto';
import type { RoomId, UserId } from '../core/ids.js';
import type { Presence } from '../core/ports.js';
import { type Client, COMMAND_DEADLINE_MS, guard, type Log, primariesChanged } from './connection.js';
import { channels, decodeId, encodeId, keys, PARTITIONS, roomPartition, userPartition } from './keys.js';
import { Registrar } from './registrar.js';
import { runScript, scripts } from './scripts.js';

/** How long a node counts after its last sign of life, and how often it gives one, in ms. */
export const LEASE_MS = 9_000;
const RENEW_MS = 3_000;
/** How long one survivor has to clean up before another may try. */
const EVICTION_MS = 10_000;

/**
 * Who is where. A node holds one lease; everything it counts in Redis carries its name, so that one
 * survivor can take it all back when the lease runs out. There is no refresh per socket.
 */
export class RedisPresence implements Presence {
  readonly #client: Client;
  readonly #base: string;
  readonly #roomLimit: number;
  readonly #log: Log;
  readonly #registrar = new Registrar();
  readonly #primariesChanged: () => boolean;
  #node: string;
  #first = true;
  /** Names that this node had, which may yet be written under. */
  readonly #former = new Set<string>();
  /** Redis may lack what it was told. */
  #repeat = false;
  #touched = { minute: 0, users: new Set<UserId>() };
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  /** One after the other. Undefined until the first. */
  #beats: Promise<void> | undefined;
  #evicting = false;
  #renewedAt = 0;
  #redisBackAt = performance.now();
  /** When this node took its first lease. */
  #leasedSince = Number.POSITIVE_INFINITY;
  leasesLost = 0;

  /** `client`: with role `commands`. `roomLimit`: people above which a room hears no `joined` and `left`; 0: none. */
  constructor(client: Client, nodeId: string, roomLimit: number, log: Log) {
    this.#client = client;
    this.#base = nodeId;
    this.#roomLimit = roomLimit;
    this.#log = log;
    this.#node = this.#newIncarnation();
    this.#primariesChanged = primariesChanged(client);
    client.on('ready', () => {
      this.#redisBackAt = performance.now();
      this.#repeat = true; // it may lack its last second
      // This node may have been away for longer than its lease, and somebody has cleaned up after it.
      this.#registrar.writeUntil(0);
      if (this.#beats) this.#renew();
    });
  }

  /** Takes the lease, now or when Redis comes; then keeps it. */
  start(): void {
    this.#renew();
  }

  enter(room: RoomId, user: UserId): void {
    this.#registrar.add(`r${room}|${user}`, () => ({
      apply: async (present) => {
        await (present ? this.#enter(room, user) : this.#leave(this.#node, room, [user]));
      },
    }));
  }

  leave(room: RoomId, user: UserId, graceMs: number): void {
    this.#registrar.remove(`r${room}|${user}`, graceMs);
  }

  online(user: UserId): void {
    this.#registrar.add(`u${user}`, () => ({
      apply: async (present) => {
        await this.#setOnline(this.#node, user, present, undefined);
      },
    }));
  }

  offline(user: UserId, graceMs: number): void {
    this.#registrar.remove(`u${user}`, graceMs);
  }

  touch(user: UserId): void {
    const minute = Math.floor(Date.now() / 60_000);
    if (this.#touched.minute !== minute) this.#touched = { minute, users: new Set() };
    if (this.#touched.users.has(user)) return;
    this.#touched.users.add(user);
    // Written again with the next request when it fails.
    runScript(this.#client, scripts.seen, [keys.user(user)], []).catch(() =>
      this.#touched.users.delete(user),
    );
  }

  async status(user: UserId): Promise<{ online: boolean; seenMs: number } | undefined> {
    const [nodes, seen] = await guard(
      Promise.all([this.#client.hkeys(keys.userOnline(user)), this.#client.hget(keys.user(user), 'seen')]),
    );
    const sign = nodes.length > 0 ? await this.#lastSign(nodes) : undefined;
    if (sign?.alive) return { online: true, seenMs: Date.now() };
    const seenMs = Math.max(Number(seen ?? 0), sign?.atMs ?? 0);
    return seenMs === 0 ? undefined : { online: false, seenMs };
  }

  /** Stops renewing, and lets the lease end `graceMs` from now: who only moved to another node never left. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#registrar.close();
    await this.#lease(this.#node, graceMs, false).catch(() => undefined); // without Redis it ends by itself
  }

  /** The newest sign of life of any of these nodes. A dead one stops counting with its lease, cleaned up or not. */
  async #lastSign(nodes: readonly string[]): Promise<{ alive: boolean; atMs: number }> {
    const [nowMs, ...deadlines] = await this.#leases(nodes);
    const deadline = Math.max(...deadlines);
    // While Redis was away, the leases of the living ran out as well.
    const wasAway = this.#leasedSince < this.#redisBackAt && performance.now() - this.#redisBackAt < LEASE_MS;
    return { alive: deadline > nowMs || wasAway, atMs: deadline - LEASE_MS };
  }

  #newIncarnation(): string {
    return `${this.#base}.${randomBytes(6).toString('base64url')}`;
  }

  /** Gives a sign of life, after the one under way, and from then on again and again. */
  #renew(): void {
    this.#beats = (this.#beats ?? Promise.resolve()).then(async () => {
      clearTimeout(this.#timer);
      if (this.#closed) return;
      await this.#beat();
      if (!this.#closed) this.#timer = setTimeout(() => this.#renew(), RENEW_MS);
    });
  }

  async #beat(): Promise<void> {
    const begun = performance.now();
    try {
      if ((await this.#lease(this.#node, LEASE_MS, this.#first)) === 0) {
        this.#comeBackAnew();
        await this.#lease(this.#node, LEASE_MS, true);
      }
      this.#first = false;
      await this.#endFormer();
      this.#renewedAt = performance.now();
      this.#leasedSince = Math.min(this.#leasedSince, this.#renewedAt);
      if (this.#primariesChanged() || this.#repeat) this.#registrar.repeatAll(); // it may lack its last second
      this.#repeat = false;
      this.#registrar.writeUntil(begun + LEASE_MS);
      // Nobody cleans up within one lease after Redis came back: the others' leases ran out meanwhile too.
      if (this.#renewedAt - this.#redisBackAt > LEASE_MS) void this.#evictExpired();
    } catch (error) {
      this.#redisBackAt = performance.now(); // not before now
      this.#log.warn({ error: String(error) }, 'renewing the lease failed');
    }
  }

  #comeBackAnew(): void {
    this.leasesLost += 1;
    this.#log.warn({ node: this.#node }, 'the lease ran out; coming back as a new incarnation');
    this.#registrar.writeUntil(0);
    this.#former.add(this.#node);
    this.#node = this.#newIncarnation();
    this.#first = true;
    this.#repeat = true;
    this.#redisBackAt = performance.now(); // it hung, or this node did: maybe for the others as well
  }

  // Whoever cleaned up did so before the last writes under that name, or never will when the leases were lost. So the name
  // gets one more lease, as long as a write may be under way: when that runs out everything is cleaned up.
  async #endFormer(): Promise<void> {
    for (const node of this.#former) {
      await this.#lease(node, COMMAND_DEADLINE_MS, true);
      this.#former.delete(node);
    }
  }

  async #lease(node: string, ms: number, first: boolean): Promise<number> {
    const args = [node, ms, first ? '1' : '0'];
    return (await guard(runScript(this.#client, scripts.renewLease, [keys.nodes], args))) as number;
  }

  /** What time it is where the leases are, and when those of `nodes` end, in ms. */
  async #leases(nodes: readonly string[]): Promise<[number, ...number[]]> {
    const answer = await guard(runScript(this.#client, scripts.leases, [keys.nodes], nodes));
    return (answer as (number | string)[]).map(Number) as [number, ...number[]];
  }

  // Beside the signs of life: cleaning up after many people takes longer than a lease.
  async #evictExpired(): Promise<void> {
    if (this.#evicting) return;
    this.#evicting = true;
    try {
      const [nowMs] = await this.#leases([]);
      const expired = await guard(
        this.#client.zrange(keys.nodes, '-inf', String(nowMs), 'BYSCORE', 'WITHSCORES'),
      );
      for (let i = 0; i < expired.length; i += 2) {
        const node = expired[i] as string;
        const claimed = await guard(
          this.#client.set(keys.eviction(node), this.#node, 'PX', EVICTION_MS, 'NX'),
        );
        if (claimed === 'OK') await this.#evict(node, Number(expired[i + 1]));
      }
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'cleaning up failed; it is tried again');
    } finally {
      this.#evicting = false;
    }
  }

  // Every step can be repeated; the node's own entry goes last, so that a survivor that dies half-way
  // leaves the rest to the next one.
  async #evict(node: string, deadlineMs: number): Promise<void> {
    this.#log.info({ node }, 'cleaning up after a node whose lease ran out');
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const entries = await guard(this.#client.smembers(keys.nodeEntries(partition, node)));
      for (const entry of entries) {
        if (entry.startsWith('r')) await this.#leave(node, Number(entry.slice(1)), []);
        else await this.#setOnline(node, decodeId(entry.slice(1)), false, deadlineMs - LEASE_MS);
      }
    }
    await guard(runScript(this.#client, scripts.endLease, [keys.nodes], [node, deadlineMs]));
  }

  #enter(room: RoomId, user: UserId): Promise<unknown> {
    const touched = [keys.here(room), keys.nodeEntries(roomPartition(room), this.#node)];
    const args = [encodeId(user), this.#node, room, channels.room(room), this.#roomLimit];
    return guard(runScript(this.#client, scripts.enter, touched, args));
  }

  #leave(node: string, room: RoomId, users: readonly UserId[]): Promise<unknown> {
    const touched = [keys.here(room), keys.nodeEntries(roomPartition(room), node)];
    const args = [node, room, channels.room(room), this.#roomLimit, ...users.map(encodeId)];
    return guard(runScript(this.#client, scripts.leave, touched, args));
  }

  #setOnline(node: string, user: UserId, present: boolean, atMs: number | undefined): Promise<unknown> {
    const touched = [keys.userOnline(user), keys.user(user), keys.nodeEntries(userPartition(user), node)];
    const args = [node, encodeId(user), present ? '1' : '0', atMs ?? ''];
    return guard(runScript(this.#client, scripts.online, touched, args));
  }
}
