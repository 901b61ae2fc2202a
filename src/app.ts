import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { AgentSide } from './agent/side.js';
import type { Config } from './config.js';
import { Accounts } from './core/accounts.js';
import { Questions } from './core/agent.js';
import { Messages } from './core/messages.js';
import { bareProfile, type Room } from './core/model.js';
import { People } from './core/people.js';
import { Receipts } from './core/receipts.js';
import { Rooms } from './core/rooms.js';
import { seldom } from './core/seldom.js';
import { chatsDialect } from './dialects/chats/index.js';
import { conversationsDialect } from './dialects/conversations/index.js';
import type { DialectContext } from './dialects/dialect.js';
import { netroxDialect } from './dialects/netrox/index.js';
import { roomsDialect } from './dialects/rooms/index.js';
import { skillarenaDialect } from './dialects/skillarena/index.js';
import { drain } from './drain.js';
import { Authenticator } from './http/auth.js';
import { registerConsole } from './http/console.js';
import { ApiDocs } from './http/docs.js';
import { Health, registerHealth } from './http/health.js';
import { registerMedia } from './http/media.js';
import { createMetrics, type Metrics } from './http/metrics.js';
import { createPasswordHasher } from './http/passwords.js';
import { LOG_REDACTION } from './http/redact.js';
import { createServer, mountDialect } from './http/server.js';
import { SocketHost } from './http/sockets.js';
import { createTokenVerifier, signToken } from './http/tokens.js';
import type { Tracing } from './http/tracing.js';
import { maxUploadRequest, UploadReader } from './http/uploads.js';
import { Hub } from './realtime/hub.js';
import { type RealtimeStats, realtimeStats } from './realtime/stats.js';
import { UserFeeds } from './realtime/user-feeds.js';
import { RedisSide } from './redis/side.js';
import { StorageSide } from './storage/side.js';

/** Dialects whose clients confirm receipts, which are repeated until they do. */
const CONFIRMED_DIALECTS = ['skillarena'];
/** Lost rooms that one line of the log names. */
const MAX_NAMED = 20;

/** A node, put together. */
export interface App {
  readonly server: FastifyInstance;
  /**
   * Ends it so that nobody notices but by reconnecting: not ready at once, no new sockets after `noticeMs`, every socket
   * moved within `drainMs`, requests finished. Every step runs though one fails; never throws.
   */
  drain(noticeMs: number, drainMs: number): Promise<void>;
}

/** The node's log: JSON lines on standard output, without secrets. */
export function createLogger(config: Config): Logger {
  return pino({ level: config.logLevel, redact: LOG_REDACTION, base: { node: config.nodeId } });
}

/**
 * Puts a node together and connects it. It does not listen yet. A Redis that is away is waited for: until it answers
 * the node is not ready. `onUnfit`: it answers, and cannot keep what the configuration promises.
 */
export async function createApp(
  config: Config,
  log: Logger,
  onUnfit: (faults: readonly string[]) => void,
): Promise<App> {
  const redis = connectRedis(config, log, onUnfit);
  const stats = realtimeStats();
  const people = new People(redis.users, config.userDirectory === 'contacts' ? redis.contacts : undefined);
  const receipts = createReceipts(redis);
  const onLost = (rooms: readonly Room[]): void => {
    const some = rooms.slice(0, MAX_NAMED).map(({ id }) => id);
    log.error({ lost: rooms.length, rooms: some }, 'Redis lost rooms');
    userFeeds.onLost(rooms);
  };
  const hub = createHub(config, log, { redis, people, receipts, stats, onLost });
  const questions = new Questions(redis.agentJobs, redis.attempts, config.agentRate);
  const messages = new Messages(redis.log, redis.fanOut, config.maxMessageBytes, questions);
  const userFeeds = new UserFeeds(hub, redis.fanOut, redis.rooms);
  const sockets = createSocketHost(config, log, { redis, hub, userFeeds, messages, people, receipts });
  const agent = createAgent(config, log, { redis, messages, receipts });
  const metrics = createNodeMetrics(sockets, stats, hub, redis, agent);
  agent.stats.onAnswer = (seconds) => metrics.agentSeconds.observe(seconds);
  stats.onDelivery = (ageMs) => metrics.deliverySeconds.observe(ageMs / 1_000);
  stats.onFault = seldom(5_000, (error) =>
    log.error({ err: error }, 'a reader could not go on; trying again'),
  );
  const tracing = await startTracing(config);
  messages.onAppend = (seconds, failed) => {
    tracing?.appended(seconds, failed);
    if (failed) metrics.appendErrors.inc({ code: failed });
    else metrics.appendSeconds.observe(seconds);
  };

  const storage = createStorage(config, log, redis);
  const uploadLimits = {
    maxBytes: config.maxUploadBytes,
    maxFiles: config.maxUploadFiles,
    maxMessageBytes: config.maxMessageBytes,
  };
  const uploads = new UploadReader(storage.files, uploadLimits);

  const auth = new Authenticator(createTokenVerifier(config), people, redis.presence);
  const docs = new ApiDocs(config.publicUrl);
  const server = await createServer(
    {
      log,
      maxMessageBytes: config.maxMessageBytes,
      maxUploadRequest: maxUploadRequest(uploadLimits),
      trustProxy: config.trustProxy,
      allowedOrigins: config.allowedOrigins,
      limits: { max: config.rateLimitMax, windowMs: config.rateLimitWindow, attempts: redis.attempts },
      docs,
      tracing,
    },
    auth,
  );
  const health = new Health(redis.fanOut);
  registerHealth(server, health, metrics.registry);
  registerMedia(server, storage.files, auth);
  if (config.console) await registerConsole(server, config.s3PublicEndpoint, log);
  const context: DialectContext = {
    people,
    rooms: new Rooms(redis.rooms, config.agent !== undefined || config.agentBaseUrl !== undefined),
    messages,
    receipts,
    presence: redis.presence,
    files: storage.files,
    upload: (request, rules, use) => uploads.receive(request, rules, use),
    authenticate: (request) => auth.authenticate(request),
    identify: (request) => auth.identify(request),
    mintToken: (user, claims) => signToken(config, { user, claims }),
    socket: (scope, route) => {
      docs.add(route);
      sockets.register(scope, route);
    },
  };
  const dialects = [
    skillarenaDialect({ receiptResendMs: config.receiptResendMs }),
    netroxDialect(),
    chatsDialect(),
    conversationsDialect({
      accounts: config.localAccounts
        ? new Accounts(redis.accounts, redis.attempts, createPasswordHasher())
        : undefined,
      tickets: redis.tickets,
      publicUrl: config.publicUrl,
    }),
    roomsDialect({ auth: config.roomsAuth, localAccounts: config.localAccounts }),
  ];
  for (const dialect of dialects) await mountDialect(server, dialect, context);

  redis.start({
    onEvents: (room, events) => hub.onEvents(room, events),
    onUserEvent: (user, event) => userFeeds.onUserEvent(user, event),
    onSubscribed: (rooms, users) => {
      hub.onSubscribed(rooms);
      userFeeds.onSubscribed(users);
    },
  });
  hub.start();
  userFeeds.start();
  sockets.start();
  storage.start();
  await agent.start();
  const parts = { health, sockets, server, agent, storage, hub, userFeeds, redis, tracing, log };
  return { server, drain: (noticeMs, drainMs) => drain(parts, noticeMs, drainMs) };
}

/** Loaded only where they are wanted: otherwise traces cost nothing. */
async function startTracing({ otlpEndpoint, nodeId }: Config): Promise<Tracing | undefined> {
  if (otlpEndpoint === undefined) return undefined;
  return (await import('./http/tracing.js')).startTracing(otlpEndpoint, nodeId);
}

function connectRedis(config: Config, log: Logger, onUnfit: (faults: readonly string[]) => void): RedisSide {
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

function createStorage(config: Config, log: Logger, redis: RedisSide): StorageSide {
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

function createAgent(
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

function createReceipts(redis: RedisSide): Receipts {
  return new Receipts(redis.receipts, (room, offset) => redis.log.readOne(room, offset), CONFIRMED_DIALECTS);
}

function createHub(
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

function createSocketHost(
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
    profileOf: async (user) => (await people.find(user)) ?? bareProfile(user),
    rate: config.socketRate > 0 ? { rate: config.socketRate, burst: 2 * config.socketRate } : undefined,
    upgradeRate: config.upgradeRate,
    pingMs: config.pingMs,
    holdOwn: config.durability === 'durable',
    log,
  });
}

function createNodeMetrics(
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
