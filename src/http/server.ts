import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import websocket from '@fastify/websocket';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { type ChatError, notFound } from '../core/errors.js';
import type { Dialect, DialectContext } from '../dialects/dialect.js';
import type { Authenticator } from './auth.js';
import { limitBodyTime, registerJsonBody } from './body.js';
import { endWithAnswers, watchUpgrades } from './closing.js';
import { reserveDescriptors } from './descriptors.js';
import { type ApiDocs, documentScope } from './docs.js';
import { STATUS, toChatError } from './errors.js';
import { type LimitOptions, registerLimits } from './limits.js';
import { redactUrl } from './redact.js';
import { refuseClient } from './refusals.js';
import { dropRest } from './request-watch.js';
import type { Tracing } from './tracing.js';
import { Request, registerUpgradeChecks } from './upgrade.js';

/** Long enough for a token in a path. */
const MAX_PARAM_LENGTH = 8_192;
const REQUEST_ID = /^[\w.:/+=-]{1,128}$/;
/** Fragments of one message: a real client sends a handful. */
const MAX_FRAGMENTS = 64;
/** What JSON escapes can make of a text, and the rest of a frame. */
const ESCAPE_FACTOR = 6;
const ENVELOPE_BYTES = 4_096;
/** How long a request may take to arrive whole: so much, and what its upload takes on a slow line; in ms. */
const REQUEST_TIMEOUT_MS = 60_000;
const SLOW_LINE_BYTES_PER_MS = 64;
const MAX_REQUEST_TIMEOUT_MS = 3_600_000;

export interface ServerOptions {
  readonly log: Logger;
  readonly maxMessageBytes: number;
  /** Most bytes that an upload may be; Infinity: no limit. */
  readonly maxUploadRequest: number;
  readonly trustProxy: boolean | number | readonly string[];
  /** `*` or origins. */
  readonly allowedOrigins: readonly string[];
  readonly limits: LimitOptions;
  readonly docs: ApiDocs;
  /** Whether this node goes. */
  readonly draining: () => boolean;
  /** Undefined: no traces. */
  readonly tracing: Tracing | undefined;
}

/** The HTTP server with everything that all dialects share, and no route yet. */
export async function createServer(options: ServerOptions, auth: Authenticator): Promise<FastifyInstance> {
  const maxPayload = options.maxMessageBytes * ESCAPE_FACTOR + ENVELOPE_BYTES;
  const render: Render = (error) => ({ status: STATUS[error.code], body: { detail: error.message } });
  const shapes: Shape[] = [{ prefix: '', render }];
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trust(options.trustProxy),
    bodyLimit: maxPayload,
    // What a client sent is judged as it came: nothing is converted, nothing taken away.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    requestTimeout: Math.min(
      REQUEST_TIMEOUT_MS + Math.ceil(options.maxUploadRequest / SLOW_LINE_BYTES_PER_MS),
      MAX_REQUEST_TIMEOUT_MS,
    ),
    forceCloseConnections: 'idle',
    genReqId: requestId,
    // A request that comes during a drain is served, as the last of its connection: Fastify's own refusal is in no document's shape.
    return503OnClosing: false,
    http: { IncomingMessage: Request },
    clientErrorHandler: refuseClient,
    frameworkErrors: (_, request, reply) => refusePath(shapes, request, reply),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
  }) as unknown as FastifyInstance;
  // Schemas of answers are for the documents: what is sent is what was made, nothing converted or left out.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  app.decorate('shapes', shapes);
  app.decorateRequest('admitted', null);
  reserveDescriptors(app.server, options.log, options.trustProxy === false);
  options.tracing?.watch(app);
  logRequests(app);
  watchUpgrades(app);
  endWithAnswers(app, options.draining);
  registerJsonBody(app);
  limitBodyTime(app);
  if (!options.trustProxy) warnOfProxy(app);
  await app.register(cors, {
    // Whoever asks for OPTIONS otherwise is told the same; the plugin's refusal is in no document's shape.
    strictPreflight: false,
    // The plugin's own choice lacks PATCH.
    methods: ['GET', 'HEAD', 'POST', 'PATCH'],
    exposedHeaders: ['Retry-After', 'X-Request-Id'],
    origin: options.allowedOrigins.includes('*') ? '*' : [...options.allowedOrigins],
  });
  // Whoever reads an upload looks at the sizes.
  await app.register(multipart, { throwFileSizeLimit: false });
  await app.register(websocket, {
    // The socket closes itself with the right code; there is nothing to add but noise.
    errorHandler: (error, _socket, request) => request.log.debug({ err: error }, 'socket error'),
    // Sockets are drained before the server closes: nothing is left to do here.
    preClose: (done) => done(),
    options: {
      maxPayload,
      maxFragments: MAX_FRAGMENTS,
      perMessageDeflate: false,
      handleProtocols: (offered) => (offered.has('bearer') ? 'bearer' : ([...offered][0] ?? false)),
    },
  });
  await registerLimits(app, auth, options.limits);
  registerUpgradeChecks(app, options.allowedOrigins);
  answerErrors(app, render);
  answerUnknown(app, render);
  await options.docs.register(app);
  return app;
}

/** Registers a dialect on a scope of its own, with its own shape of errors. */
export async function mountDialect(
  app: FastifyInstance,
  dialect: Dialect,
  context: DialectContext,
): Promise<void> {
  const render: Render = (error) => dialect.renderError(error);
  await app.register(async (scope) => {
    scope.addHook('onRoute', ({ url }) => {
      const [prefix = ''] = url.split(':');
      app.shapes.push({ prefix, render });
    });
    answerErrors(scope, render);
    documentScope(scope, dialect);
    dialect.register(scope, context);
  });
  const { unknownBelow } = dialect;
  if (unknownBelow === undefined) return;
  app.shapes.push({ prefix: `${unknownBelow}/`, render });
  await app.register(
    async (scope) => {
      answerErrors(scope, render);
      answerUnknown(scope, render);
    },
    { prefix: unknownBelow },
  );
}

type Render = (error: ChatError) => { status: number; body: unknown };

/** How errors look below a prefix. */
interface Shape {
  readonly prefix: string;
  readonly render: Render;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The shapes of all dialects, and of none. */
    shapes: Shape[];
  }
}

/** Answers whatever is thrown in a scope in its shape. */
function answerErrors(scope: FastifyInstance, render: Render): void {
  scope.setErrorHandler((thrown, request, reply) => answer(thrown, request, reply, render));
}

/** Answers unknown paths below a scope's prefix in its shape. */
function answerUnknown(scope: FastifyInstance, render: Render): void {
  scope.setNotFoundHandler((request, reply) => {
    const message = `${request.method} ${redactUrl(request.url)} not found`;
    return answer({ statusCode: 404, message }, request, reply, render);
  });
}

function answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply, render: Render): FastifyReply {
  const error = toChatError(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'a request could not be handled');
  const { status, body } = render(error);
  if (error.retryAfterS !== undefined) reply.header('retry-after', error.retryAfterS);
  if (!request.ws) dropRest(request.raw);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send(body);
}

/**
 * A path that the router cannot read at all: there is nothing there, in the shape of the dialect that it would have
 * reached. No hook sees such a request, nor does the WebSocket plugin, which ends what asked to be a socket and became none.
 */
function refusePath(shapes: readonly Shape[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fits = shapes.filter(({ prefix }) => request.url.startsWith(prefix));
  const shape = fits.reduce((best, one) => (one.prefix.length > best.prefix.length ? one : best));
  const { upgrade, socket } = request.raw as IncomingMessage & { upgrade?: boolean };
  if (upgrade) reply.raw.once('finish', () => socket.destroy());
  return answer(notFound('page'), request, reply, shape.render);
}

/** What a client or a proxy calls the request, where that is fit for a log; else a name of our own. */
function requestId({ headers }: { headers: Record<string, unknown> }): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/** One line per request, when it is answered; none per message. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method, ip } = request;
    const url = redactUrl(request.url);
    request.log.info(
      { method, url, ip, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    );
  });
}

function warnOfProxy(app: FastifyInstance): void {
  let warned = false;
  app.addHook('onRequest', async (request) => {
    if (warned || request.headers['x-forwarded-for'] === undefined) return;
    warned = true;
    request.log.warn(
      'X-Forwarded-For arrives while TRUST_PROXY is off: all clients of that proxy count as one address',
    );
  });
}

// A number counts the proxies between the client and this node.
function trust(
  setting: ServerOptions['trustProxy'],
): boolean | string[] | ((address: string, hop: number) => boolean) {
  if (typeof setting === 'number') return (_, hop) => hop < setting;
  return typeof setting === 'boolean' ? setting : [...setting];
}
