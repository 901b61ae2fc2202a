import { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ChatError, notFound } from '../core/errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A WebSocket path. Set by itself on routes with a `wsHandler`. */
    socket?: boolean;
  }
}

/** RFC 6455, section 4.1: 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
/** A token of RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Refuses upgrades that cannot become a socket before anything else looks at them, in the shape of the path's dialect.
 * Left alone, the WebSocket plugin accepts any of them on any path, and logs the path with its token.
 */
export function registerUpgradeChecks(app: FastifyInstance, allowedOrigins: readonly string[]): void {
  app.addHook('onRoute', (route) => {
    if (route.wsHandler) route.config = { ...route.config, socket: true };
  });
  app.addHook('onRequest', async (request) => {
    if (!request.ws) return;
    if (!request.routeOptions.config?.socket) throw notFound('page');
    if (!isHandshake(request)) throw new ChatError('bad_request', 'not a WebSocket handshake');
    if (!mayConnect(request.headers.origin, allowedOrigins)) {
      throw new ChatError('forbidden', 'this origin may not connect');
    }
  });
}

/**
 * A request that is an upgrade only where it asks for ours: others are answered as if they had not asked (RFC 9110,
 * section 7.8), and a WebSocket begins with GET (RFC 6455, section 4.1). Clients that can speak HTTP/2 offer it with
 * every request (`Upgrade: h2c`), and Node takes each offer for an upgrade as soon as anybody listens for those.
 */
export class Request extends IncomingMessage {
  declare offered: boolean;

  /** Set by Node's parser, and asked for when all headers are there. */
  get upgrade(): boolean {
    if (!this.offered || this.method === 'CONNECT') return this.offered;
    return this.method === 'GET' && this.headers.upgrade?.toLowerCase() === 'websocket';
  }

  set upgrade(offered: boolean) {
    this.offered = offered;
  }
}

function isHandshake({ method, headers }: FastifyRequest): boolean {
  const version = headers['sec-websocket-version'];
  return (
    method === 'GET' &&
    KEY.test(headers['sec-websocket-key'] ?? '') &&
    (version === '13' || version === '8') &&
    areProtocols(headers['sec-websocket-protocol'])
  );
}

/** Whether subprotocols are offered as RFC 6455, section 4.1, wants them: tokens, each of them once. */
function areProtocols(offered: string | undefined): boolean {
  if (offered === undefined) return true;
  const names = offered.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

// Clients that are no browsers send no Origin.
function mayConnect(origin: string | undefined, allowed: readonly string[]): boolean {
  return origin === undefined || allowed.includes('*') || allowed.includes(origin);
}
