import type { Logger } from 'pino';
import { AgentSide } from './agent/side.js';
import type { Config } from './config.js';
import type { Messages } from './core/messages.js';
import { bareProfile, type Room } from './core/model.js';
import type { People } from './core/people.js';
import { Receipts } from './core/receipts.js';
import { createMetrics, type Metrics } from './http/metrics.js';
import { SocketHost } from './http/sockets.js';
import { Hub } from './realtime/hub.js';
import type { RealtimeStats } from './realtime/stats.js';
import type { UserFeeds } from './realtime/user-feeds.js';
import { RedisSide } from './redis/side.js';
import { StorageSide } from './storage/side.js';

/** Dialects whose clients confirm receipts, which are repeated until they do. */
const CONFIRMED_DIALECTS = ['skillarena'];

/** All of Redis, as the settings have it; its clients begin to connect. `onUnfit`: see createApp. */
export function connectRedis(
  config: Config,
  log: Logger,
  onUnfit: (faults: readonly string[]) => void,
): RedisSide {
  return new RedisSide({
    target: {
      urls: config.redisUrls,
      cluster: config.redisCluster,
      sentinels: config.redisSentinels,
      sentinelName: config.redisSentinelName,
    },
    nodeId: config.nodeId,
    requirements: {
      durability: config.durability,
      waitReplicas: config.waitReplicas,
      waitTimeoutMs: config.waitTimeout,
    },
    keepMessages: config.historyMaxMessages,
    roomPresenceLimit: config.roomPresenceLimit,
    log,
    onUnfit,
  });
}

/** Files, in the store of the settings. */
export function createStorage(config: Config, log: Logger, redis: RedisSide): StorageSide {
  return new StorageSide({
    endpoint: config.s3Endpoint,
    publicEndpoint: config.s3PublicEndpoint,
    region: config.s3Region,
    bucket: config.s3Bucket,
    accessKey: config.s3AccessKey,
    secretKey: config.s3SecretKey,
    linkSecrets: config.jwtSecrets,
    maxBytes: config.maxUploadBytes,
    maxFiles: config.maxUploadFiles,
    sweepAgeMs: config.uploadSweepAge,
    store: redis.files,
    rooms: redis.rooms,
    log,
  });
}

/** The agent, if the settings have one. */
export function createAgent(
  config: Config,
  log: Logger,
  { redis, messages, receipts }: { redis: RedisSide; messages: Messages; receipts: Receipts },
): AgentSide {
  return new AgentSide({
    kind: config.agent,
    baseUrl: config.agentBaseUrl,
    apiKey: config.agentApiKey,
    model: config.agentModel,
    silenceMs: config.agentTimeout,
    contextTokens: config.agentContextTokens,
    prompt: config.agentPrompt ?? '',
    maxMessageBytes: config.maxMessageBytes,
    jobs: redis.agentJobs,
    rooms: redis.rooms,
    log: redis.log,
    fanOut: redis.fanOut,
    messages,
    receipts,
    logger: log,
  });
}

/** Receipts. */
export function createReceipts(redis: RedisSide): Receipts {
  return new Receipts(redis.receipts, (room, offset) => redis.log.readOne(room, offset), CONFIRMED_DIALECTS);
}

/** What reads rooms for the sockets of the node. */
export function createHub(
  config: Config,
  log: Logger,
  parts: {
    redis: RedisSide;
    people: People;
    receipts: Receipts;
    stats: RealtimeStats;
    onLost: (rooms: readonly Room[]) => void;
  },
): Hub {
  const { redis, people, receipts, stats, onLost } = parts;
  return new Hub({
    log: redis.log,
    rooms: redis.rooms,
    fanOut: redis.fanOut,
    stats,
    profiles: (users) => people.profiles(users),
    marks: (room) => receipts.marksOf(room),
    newest: config.historyOnConnect,
    onRollback: (room, from, to) =>
      log.error(
        { room: room.id, from: from.offset, to: to?.offset },
        'Redis lost acknowledged messages: going on from the common history',
      ),
    onLost,
  });
}

/** What has the sockets of the node. */
export function createSocketHost(
  config: Config,
  log: Logger,
  parts: {
    redis: RedisSide;
    hub: Hub;
    userFeeds: UserFeeds;
    messages: Messages;
    people: People;
    receipts: Receipts;
  },
): SocketHost {
  const { redis, hub, userFeeds, messages, people, receipts } = parts;
  return new SocketHost({
    hub,
    userFeeds,
    cursors: redis.cursors,
    messages,
    marks: (room) => receipts.marksOf(room),
    presence: redis.presence,
    profileNow: (user) => people.known(user),
    profileOf: async (user) => (await people.find(user)) ?? bareProfile(user),
    rate: config.socketRate > 0 ? { rate: config.socketRate, burst: 2 * config.socketRate } : undefined,
    upgradeRate: config.upgradeRate,
    pingMs: config.pingMs,
    holdOwn: config.durability === 'durable',
    log,
  });
}

/** Metrics of all parts of the node. */
export function createNodeMetrics(
  sockets: SocketHost,
  realtime: RealtimeStats,
  hub: Hub,
  redis: RedisSide,
  agent: AgentSide,
): Metrics {
  return createMetrics({
    agent: agent.stats,
    sockets: sockets.stats,
    realtime,
    outboxBytes: () => sockets.unsentBytes,
    feeds: () => hub.feedCount,
    redisConnects: () => redis.fanOut.connects,
    deafness: () => redis.fanOut.stats.deafness,
    undecodable: () => redis.fanOut.stats.undecodable,
    leasesLost: () => redis.presence.leasesLost,
  });
}
