import { type Cluster, Redis } from 'ioredis';
import { ChatError } from '../core/errors.js';
import { seldom } from '../core/seldom.js';
import {
  type OneClusterOptions,
  PunctualCluster,
  type OneRedisOptions as RedisOptions,
} from './punctual-cluster.js';
import { writeTogether } from './together.js';

/** Where Redis is: one server, a Sentinel group, or a cluster. */
export interface RedisTarget {
  /** `redis://` or `rediss://` URLs; several only for a cluster. */
  readonly urls: readonly string[];
  readonly cluster: boolean;
  readonly sentinels: readonly { host: string; port: number }[];
  readonly sentinelName: string | undefined;
}

export type Client = Redis | Cluster;

/** The part of a logger that this layer needs. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How long a command may take, in ms, before its caller hears that Redis is away. */
export const COMMAND_DEADLINE_MS = 3_000;

/** How long a sentinel may take to say who is primary, in ms. */
const SENTINEL_DEADLINE_MS = 1_000;

/**
 * How often a cluster is asked who serves which slots, in ms: a client that gets no MOVED, because it only listens or its
 * primary is dead, learns of a fail-over by asking.
 */
const SLOTS_REFRESH_MS = 5_000;

/** Growing pauses with jitter, so that a thousand nodes don't come back in step. */
function retryDelay(attempt: number): number {
  return Math.min(1_000, 25 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);
}

const COMMON: RedisOptions = {
  connectTimeout: 3_000,
  retryStrategy: retryDelay,
  enableAutoPipelining: false,
  // A primary that was demoted answers READONLY: reconnect to whoever is primary now.
  reconnectOnError: (error) => error.message.startsWith('READONLY'),
};

/** For reads and idempotent writes: they may be repeated after a reconnect, and fail after a few attempts. */
const COMMANDS: RedisOptions = {
  ...COMMON,
  commandTimeout: COMMAND_DEADLINE_MS,
  // A connection can die without a word: one that owes an answer this long is made anew.
  socketTimeout: 2 * COMMAND_DEADLINE_MS,
  maxRetriesPerRequest: 3,
};

/** For appends: nothing is ever sent twice by the client library, and nothing waits in its queue. */
const APPENDS: RedisOptions = {
  ...COMMON,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
};

/** For subscriptions: the owner makes them anew after every reconnect, because it must know when. */
const SUBSCRIPTIONS: RedisOptions = {
  ...COMMON,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  // It says nothing for as long as nothing is published; but it answers who connects or subscribes.
  socketTimeout: 2 * COMMAND_DEADLINE_MS,
};

/**
 * For writes that are waited for: a connection that does not come back, so that a wait is never for what another one wrote.
 */
const WAITS: RedisOptions = {
  ...APPENDS,
  retryStrategy: () => null,
  commandTimeout: COMMAND_DEADLINE_MS,
  socketTimeout: 2 * COMMAND_DEADLINE_MS,
};

/** Clients that are ending because they were told to. */
const ended = new WeakSet<Client>();

const ROLES = { commands: COMMANDS, appends: APPENDS, subscriptions: SUBSCRIPTIONS } as const;

/**
 * A client for one purpose. It reconnects for ever; commands meanwhile fail as the role says.
 * Connection errors are logged, at most one line in five seconds per client.
 */
export function connect(target: RedisTarget, role: keyof typeof ROLES, name: string, log: Log): Client {
  const options: RedisOptions = { ...ROLES[role], connectionName: name };
  const client = target.cluster ? connectCluster(target, options) : connectOne(target, options);
  client.on('error', tellSeldom(role, log));
  if (role === 'commands') writeTogether(client);
  if (target.sentinels.length > 0) client.on('end', () => reviveSoon(client as Redis));
  return client;
}

// The library ends a client for good whose connection is given up, by a fail-over it hears of or by us,
// while it still asks where the primary is.
function reviveSoon(client: Redis): void {
  setTimeout(() => {
    if (!ended.has(client) && client.status === 'end') client.connect().catch(() => undefined);
  }, retryDelay(1));
}

/** A connection to one server of its own: a Redis, or the current primary of a Sentinel group. */
function connectOne(target: RedisTarget, options: RedisOptions): Redis {
  if (target.sentinels.length === 0) return new Redis(target.urls[0] as string, options);
  const url = target.urls[0] === undefined ? undefined : new URL(target.urls[0]);
  return new Redis({
    ...options,
    ...(url?.username ? { username: decodeURIComponent(url.username) } : {}),
    ...(url?.password ? { password: decodeURIComponent(url.password) } : {}),
    sentinels: [...target.sentinels],
    name: target.sentinelName as string,
    sentinelRetryStrategy: retryDelay,
    // One that hangs is passed over, for the next one to be asked.
    sentinelCommandTimeout: SENTINEL_DEADLINE_MS,
    // Reconnect as soon as a Sentinel announces another primary, not when the old connection dies.
    failoverDetector: true,
  });
}

function connectCluster(target: RedisTarget, redisOptions: RedisOptions): Cluster {
  const first = new URL(target.urls[0] as string);
  const options: OneClusterOptions = {
    redisOptions: {
      ...redisOptions,
      ...(first.username ? { username: decodeURIComponent(first.username) } : {}),
      ...(first.password ? { password: decodeURIComponent(first.password) } : {}),
      ...(first.protocol === 'rediss:' ? { tls: {} } : {}),
    },
    shardedSubscribers: true,
    clusterRetryStrategy: retryDelay,
    maxRedirections: 64,
    retryDelayOnFailover: 200,
    retryDelayOnClusterDown: 200,
    retryDelayOnMoved: 100,
    slotsRefreshTimeout: 2_000,
    enableOfflineQueue: true,
  };
  const nodes = target.urls.map((text) => {
    const url = new URL(text);
    return { host: url.hostname, port: Number(url.port || 6379) };
  });
  return new PunctualCluster(nodes, options, COMMAND_DEADLINE_MS, SLOTS_REFRESH_MS);
}

/** A connection straight to one node of a cluster (`host:port`), with the cluster client's own settings. */
export function connectPrimary(cluster: Cluster, address: string, more: RedisOptions = {}): Redis {
  const at = address.lastIndexOf(':');
  const own = (cluster.options.redisOptions ?? {}) as RedisOptions;
  return new Redis({ ...own, ...more, host: address.slice(0, at), port: Number(address.slice(at + 1)) });
}

/**
 * A connection for writes that are waited for, to the primary at `address` of the cluster that `client` speaks to, or else
 * to the one primary there is. It never reconnects.
 */
export function connectWaiting(
  client: Client,
  target: RedisTarget,
  { address, name, log }: { address: string; name: string; log: Log },
): Redis {
  const options = { ...WAITS, connectionName: name };
  const redis =
    client instanceof Redis ? connectOne(target, options) : connectPrimary(client, address, options);
  redis.on('error', tellSeldom('waits', log));
  writeTogether(redis);
  return redis;
}

function tellSeldom(role: string, log: Log): (error: Error) => void {
  return seldom(5_000, (error: Error) => log.warn({ role, error: error.message }, 'redis connection error'));
}

/**
 * Makes a question: whether a primary of a cluster has another connection than when it was asked last, because it
 * restarted or has taken over. The client of a cluster is `ready` again only after all of it was away. Never on one Redis.
 */
export function primariesChanged(client: Client): () => boolean {
  let known = new Set<Redis>();
  return () => {
    if (client instanceof Redis) return false;
    const primaries = client.nodes('master').filter(({ status }) => status === 'ready');
    const changed = primaries.some((primary) => !known.has(primary));
    known = new Set(primaries);
    return changed;
  };
}

/**
 * Calls `run` whenever another server may have become primary, before anything that is asked from then on: a connection was
 * made anew, or a cluster has other primaries.
 */
export function onNewPrimary(client: Client, run: () => void): void {
  if (client instanceof Redis) {
    client.on('ready', run);
    return;
  }
  let known = '';
  client.on('+node', (redis: Redis) => redis.on('ready', run));
  client.on('refresh', () => {
    const owners = new Set(client.slots.map((servers) => servers[0]));
    const now = [...owners].sort().join();
    if (now !== known) run();
    known = now;
  });
}

/** An error reply of Redis: the command was answered, so its outcome is certain. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** An error reply that says that nothing was written: what it is about is another server's, or nobody's for now. */
export function isElsewhere(error: unknown): error is Error {
  return isReply(error) && /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b/.test(error.message);
}

/** The ChatError that callers get when Redis does not do what it is asked. */
export function unavailable(cause: unknown): ChatError {
  return new ChatError('unavailable', 'the service is temporarily unavailable', { retryAfterS: 1, cause });
}

/** The outcome of a command, with every failure turned into `unavailable`. */
export async function guard<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (error) {
    throw error instanceof ChatError ? error : unavailable(error);
  }
}

/** Ends a client: politely within a second, else at once. Never throws. */
export async function disconnect(client: Client): Promise<void> {
  ended.add(client);
  const timer = setTimeout(() => client.disconnect(), 1_000);
  try {
    await client.quit();
  } catch {
    client.disconnect(); // it was not connected: there is nobody to say goodbye to
  } finally {
    clearTimeout(timer);
    // What asks the sentinels for news would go on for ever.
    if (client instanceof Redis) client.disconnect();
  }
}
