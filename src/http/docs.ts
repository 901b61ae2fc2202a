import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Dialect, SocketRoute } from '../dialects/dialect.js';
import { asyncApi } from './asyncapi.js';
import { PAGE_POLICY, socketsPage } from './docs-page.js';

const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
/** The page loads nothing from elsewhere, and asks nobody else. */
const UI_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
/** Where the documents are. */
const BASE = '/docs';
const DESCRIPTION = `Five documented APIs over one log. Every path works with and without a trailing slash, and with the
same token. The sockets are described [on a page of their own](${BASE}/sockets).`;

/** The API documents of a node: made from the routes and sockets that it has, and from the schemas that check them. */
export class ApiDocs {
  readonly #sockets: SocketRoute[] = [];
  readonly #publicUrl: string | undefined;

  /** `publicUrl`: the address under which clients reach the service; undefined: the one that each request names. */
  constructor(publicUrl: string | undefined) {
    this.#publicUrl = publicUrl;
  }

  /** Registers the documents; before any route that they are to show. */
  async register(app: FastifyInstance): Promise<void> {
    const servers = this.#publicUrl === undefined ? {} : { servers: [{ url: this.#publicUrl }] };
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Parlance', version: VERSION, description: DESCRIPTION },
        ...servers,
        components: {
          securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
        },
        security: [{ bearer: [] }],
      },
      transform: ({ schema, url, route }) => {
        const { docs, socket } = route.config ?? {};
        // Sockets are in the other document; what has no tag is no part of the API.
        if (socket || schema?.tags === undefined) return { schema: { ...schema, hide: true }, url };
        const { query, headers, form } = docs ?? {};
        return {
          schema: {
            ...schema,
            ...(query ? { querystring: query } : {}),
            ...(headers ? { headers } : {}),
            ...(form ? { body: form, consumes: ['multipart/form-data'] } : {}),
          },
          url: url.replace('*', ':path'),
        };
      },
    });
    await app.register(async (scope) => {
      scope.addHook('onRoute', (route) => {
        route.config = { ...route.config, unlimited: true };
        route.logLevel = 'warn';
      });
      await scope.register(swaggerUi, {
        routePrefix: BASE,
        staticCSP: UI_POLICY,
        uiConfig: { docExpansion: 'none', tryItOutEnabled: true, validatorUrl: null },
      });
      this.#registerSockets(scope);
    });
  }

  /** A socket that the documents are to show. */
  add(socket: SocketRoute): void {
    this.#sockets.push(socket);
  }

  #registerSockets(scope: FastifyInstance): void {
    scope.get(`${BASE}/asyncapi.json`, (request) => asyncApi(this.#sockets, this.#place(request)));
    scope.get(`${BASE}/sockets`, (_, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('content-security-policy', PAGE_POLICY)
        .send(socketsPage(this.#sockets, BASE)),
    );
  }

  #place(request: FastifyRequest) {
    const { host, protocol } = this.#publicUrl ? new URL(this.#publicUrl) : request;
    return { version: VERSION, host, secure: protocol.startsWith('https') };
  }
}

/** Gives every route of the dialect's scope what all of them have in the documents: its name, and how it says errors. */
export function documentScope(scope: FastifyInstance, { name, errorShape }: Dialect): void {
  scope.addHook('onRoute', (route) => {
    const given = (route.schema ?? {}) as { response?: Record<string, TSchema> };
    const errors = {
      '4xx': { ...errorShape, description: 'The request is at fault.' },
      '5xx': { ...errorShape, description: 'The service is at fault, or away: try again.' },
    };
    route.schema = { ...given, tags: [name], response: { ...given.response, ...errors } };
  });
}
