/** The table of every setting. The README's table is compared with it by a test. */

import {
  derivedFlag,
  derivedInteger,
  flag,
  httpBase,
  httpOrigin,
  httpUrl,
  integer,
  list,
  oneOf,
  optional,
  optionalOneOf,
  parsed,
  type SettingValues,
  text,
} from './settings.js';
import { readHostPort, readNodeId, readRedisUrls, readSecret, readTrustProxy } from './values.js';

const DAY_MS = 86_400_000;
const MAX_TIMER_MS = 2_147_483_647; // a longer timer of Node fires at once
const words = (value: string): string => value;

/** Every setting, by its field in `Config`. Times are milliseconds unless the sentence says otherwise. */
export const CONFIG = {
  host: text('HOST', '0.0.0.0', 'Address to listen on.'),
  port: integer('PORT', 8000, { min: 0, max: 65_535 }, 'Port to listen on; 0 lets the system choose one.'),
  nodeId: optional(
    'NODE_ID',
    'letters, digits, . _ -, at most 64',
    "Name of this node in logs and in Redis, unlike every other node's; made from the host name when unset.",
    readNodeId,
  ),
  logLevel: oneOf(
    'LOG_LEVEL',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'Lowest level that is logged.',
  ),

  redisUrls: parsed(
    'REDIS_URL',
    'redis:// or rediss:// URL, comma list',
    'redis://127.0.0.1:6379',
    'Redis or Valkey; a list with REDIS_CLUSTER=true; with REDIS_SENTINELS only its scheme, user, password and database count.',
    readRedisUrls,
  ),
  redisCluster: flag('REDIS_CLUSTER', false, 'Whether REDIS_URL names nodes of a Redis Cluster.'),
  redisSentinels: list('REDIS_SENTINELS', 'host:port', '', 'Sentinels to ask for the primary.', readHostPort),
  redisSentinelName: optional(
    'REDIS_SENTINEL_NAME',
    'text',
    'Name by which the Sentinels know the primary.',
    words,
  ),
  durability: oneOf(
    'DURABILITY',
    ['fast', 'durable'],
    'fast',
    'What an acknowledgement promises: stored by Redis (`fast`), or on disk and on WAIT_REPLICAS replicas (`durable`).',
  ),
  waitReplicas: derivedInteger(
    'WAIT_REPLICAS',
    { min: 0, max: 10 },
    'Replicas that must hold a message before it is acknowledged in `durable`; unset: 1 on a cluster or with Sentinels, else 0.',
  ),
  waitTimeout: integer(
    'WAIT_TIMEOUT',
    2500,
    { min: 1, max: 60_000 },
    'How long `durable` waits for them before it answers that the outcome is in doubt; more than 2900 counts as 2900.',
  ),

  jwtSecrets: list(
    'JWT_SECRET',
    'text of 32 bytes or more',
    '',
    'Secrets of HS256 tokens: the first signs, all verify. This or JWT_JWKS_URL is required.',
    readSecret,
  ),
  jwtJwksUrl: optional('JWT_JWKS_URL', 'URL', 'Key set of the issuer of asymmetric tokens.', httpUrl),
  jwtIssuer: optional(
    'JWT_ISSUER',
    'text',
    'Issuer (`iss`) that every token must have; tokens made here have it, or `parlance` when it is unset.',
    words,
  ),
  jwtAudience: optional(
    'JWT_AUDIENCE',
    'text',
    'Audience (`aud`) that every token must have, and that tokens made here have.',
    words,
  ),
  jwtTtl: integer(
    'JWT_TTL',
    86_400,
    { min: 1, max: 31_536_000 },
    'Lifetime of tokens made here, in seconds.',
  ),
  localAccounts: derivedFlag(
    'LOCAL_ACCOUNTS',
    'Whether people may register here; unset: true without JWT_JWKS_URL, false with it. True with JWT_JWKS_URL is refused.',
  ),
  roomsAuth: oneOf(
    'ROOMS_AUTH',
    ['jwt', 'trusted'],
    'jwt',
    'Whether the rooms API wants tokens (`jwt`), or believes the user ids that it is given (`trusted`).',
  ),
  userDirectory: oneOf(
    'USER_DIRECTORY',
    ['all', 'contacts'],
    'all',
    'Whom listings of users show: everybody, or only people one shares a room with.',
  ),

  publicUrl: optional(
    'PUBLIC_URL',
    'URL',
    'Address under which clients reach the service; unset: taken from each request.',
    httpBase,
  ),
  trustProxy: parsed(
    'TRUST_PROXY',
    'true, false, a number of hops, or addresses (comma list)',
    'false',
    "Whose X-Forwarded-* headers are believed: anybody's, nobody's, of that many proxies, or of these addresses.",
    readTrustProxy,
  ),
  allowedOrigins: list(
    'ALLOWED_ORIGINS',
    'origin or *',
    '*',
    'Web origins that may use the service from a browser.',
    (value) => (value === '*' ? value : httpOrigin(value)),
  ),
  console: flag('CONSOLE', true, 'Whether the web console is served at `/`.'),
  rateLimitMax: integer(
    'RATE_LIMIT_MAX',
    300,
    { min: 1, max: 10_000_000, off: true },
    'Requests and upgrades of one client in a RATE_LIMIT_WINDOW; 0 for no limit.',
  ),
  rateLimitWindow: integer('RATE_LIMIT_WINDOW', 60_000, { min: 100, max: DAY_MS }, 'Length of that window.'),
  socketRate: integer(
    'SOCKET_RATE',
    50,
    { min: 1, max: 100_000, off: true },
    'Frames that one socket may send in a second; 0 for no limit.',
  ),
  upgradeRate: integer(
    'UPGRADE_RATE',
    500,
    { min: 1, max: 100_000, off: true },
    'Sockets that this node lets in a second, so that a rush starves nobody; the rest waits, or is answered 503; 0 for no limit.',
  ),
  pingMs: integer(
    'PING_MS',
    25_000,
    { min: 1_000, max: 600_000 },
    'How often a socket is asked for a sign of life; it ends when none came by the next time.',
  ),

  maxMessageBytes: integer(
    'MAX_MESSAGE_BYTES',
    16_384,
    { min: 1, max: 262_144 },
    'Longest text of a message, in bytes of UTF-8; it bounds memory and so cannot be switched off.',
  ),
  historyOnConnect: integer(
    'HISTORY_ON_CONNECT',
    50,
    { min: 0, max: 500 },
    'Newest messages that a rooms socket gets when it opens.',
  ),
  historyMaxMessages: integer(
    'HISTORY_MAX_MESSAGES',
    0,
    { min: 1, max: 94_906_265, off: true },
    'Messages that a room keeps at least: whole blocks of up to 100 are dropped; 0 keeps all.',
  ),
  receiptResendMs: integer(
    'RECEIPT_RESEND_MS',
    5000,
    { min: 100, max: MAX_TIMER_MS, off: true },
    'After how long an unanswered receipt update is sent again; 0 for never.',
  ),
  roomPresenceLimit: integer(
    'ROOM_PRESENCE_LIMIT',
    500,
    { min: 1, max: 10_000_000, off: true },
    'People in a room above which joining and leaving is no longer announced; 0 for no limit.',
  ),
  drainMs: integer(
    'DRAIN_MS',
    10_000,
    { min: 0, max: 600_000 },
    'Time over which a node that stops spreads the closing of its sockets; 0 closes them at once.',
  ),

  s3Endpoint: optional(
    'S3_ENDPOINT',
    'URL without a path',
    'S3 store of the files; without it file routes answer 503.',
    httpOrigin,
  ),
  s3PublicEndpoint: optional(
    'S3_PUBLIC_ENDPOINT',
    'URL without a path',
    'Address of that store as clients see it; unset: S3_ENDPOINT.',
    httpOrigin,
  ),
  s3Region: text('S3_REGION', 'us-east-1', 'Region that requests to the store are signed for.'),
  s3Bucket: text('S3_BUCKET', 'parlance', 'Bucket of the files, made at start when it is missing.'),
  s3AccessKey: optional(
    'S3_ACCESS_KEY',
    'text',
    'Access key of the store; required with S3_ENDPOINT.',
    words,
  ),
  s3SecretKey: optional(
    'S3_SECRET_KEY',
    'text',
    'Secret key of the store; required with S3_ENDPOINT.',
    words,
  ),
  maxUploadBytes: integer(
    'MAX_UPLOAD_BYTES',
    26_214_400,
    { min: 1, max: 5_497_558_138_880, off: true },
    'Largest file, in bytes; 0 for no limit.',
  ),
  maxUploadFiles: integer(
    'MAX_UPLOAD_FILES',
    10,
    { min: 1, max: 1000, off: true },
    'Most files in one upload; 0 for no limit.',
  ),
  uploadSweepAge: integer(
    'UPLOAD_SWEEP_AGE',
    DAY_MS,
    { min: 1000, max: 365 * DAY_MS, off: true },
    'Age at which a file that no message holds is removed; 0 for never.',
  ),

  otlpEndpoint: optional(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'URL',
    'Collector that OpenTelemetry traces are sent to, over HTTP; unset: there are none.',
    httpBase,
  ),

  agent: optionalOneOf(
    'AGENT',
    ['echo'],
    '`echo` lets a stand-in answer in place of a model, for local runs.',
  ),
  agentBaseUrl: optional(
    'AGENT_BASE_URL',
    'URL',
    'Base of the OpenAI-compatible API of the AI agent.',
    httpBase,
  ),
  agentApiKey: optional('AGENT_API_KEY', 'text', 'Key of that API, where it wants one.', words),
  agentModel: optional('AGENT_MODEL', 'text', 'Model that answers; required with AGENT_BASE_URL.', words),
  agentPrompt: optional('AGENT_PROMPT', 'text', 'What the model is told before each conversation.', words),
  agentContextTokens: integer(
    'AGENT_CONTEXT_TOKENS',
    8000,
    { min: 100, max: 10_000_000 },
    'About how many tokens of a conversation the model is given, the newest ones.',
  ),
  agentTimeout: integer(
    'AGENT_TIMEOUT',
    30_000,
    { min: 100, max: 600_000 },
    'How long nothing may come from the model before it is asked anew.',
  ),
  agentRate: integer(
    'AGENT_RATE',
    20,
    { min: 1, max: 100_000, off: true },
    'Messages that one person may send to the agent in a minute; 0 for no limit.',
  ),
} as const;

/** What the table reads into. */
export type Values = SettingValues<typeof CONFIG>;
