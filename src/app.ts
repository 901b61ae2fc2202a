import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import type { Config } from './config.js';
import { Accounts } from './core/accounts.js';
import { Questions } from './core/agent.js';
import { Messages } from './core/messages.js';
import type { Room } from './core/model.js';
import { People } from './core/people.js';
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
import { createPasswordHasher } from './http/passwords.js';
import { LOG_REDACTION } from './http/redact.js';
import { createServer, mountDialect } from './http/server.js';
import { createTokenVerifier, signToken } from './http/tokens.js';
import type { Tracing } from './http/tracing.js';
import { maxUploadRequest, UploadReader } from './http/uploads.js';
import {
  connectRedis,
  createAgent,
  createHub,
  createNodeMetrics,
  createReceipts,
  createSocketHost,
  createStorage,
} from './parts.js';
import { realtimeStats } from './realtime/stats.js';
import { UserFeeds } from './realtime/user-feeds.js';

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
  const health = new Health(redis.fanOut);
  const server = await createServer(
    {
      log,
      maxMessageBytes: config.maxMessageBytes,
      maxUploadRequest: maxUploadRequest(uploadLimits),
      trustProxy: config.trustProxy,
      allowedOrigins: config.allowedOrigins,
      limits: { max: config.rateLimitMax, windowMs: config.rateLimitWindow, attempts: redis.attempts },
      docs,
      draining: () => health.draining,
      tracing,
    },
    auth,
  );
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
