/** The sockets of a node as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0). */

import type { TSchema } from 'typebox';
import { CloseCode } from '../core/errors.js';
import type { SocketRoute } from '../dialects/dialect.js';

type Sockets = readonly Pick<SocketRoute, 'path' | 'docs' | 'encoder'>[];

/** Where the document is served, so that it can say where the sockets are. */
export interface Place {
  readonly host: string;
  readonly secure: boolean;
  readonly version: string;
}

const BEARER = 'bearer';

/**
 * The document. As the specification wants it, it speaks for the server: what it `receive`s clients send. Frames are
 * described by the schemas that check them.
 */
export function asyncApi(sockets: Sockets, { host, secure, version }: Place): object {
  const named = sockets.map((socket) => ({ ...socket, id: idOf(socket) }));
  return {
    asyncapi: '3.0.0',
    info: { title: 'Parlance: sockets', version, description: closeCodes() },
    defaultContentType: 'application/json',
    servers: {
      here: {
        host,
        protocol: secure ? 'wss' : 'ws',
        security: [{ $ref: `#/components/securitySchemes/${BEARER}` }],
      },
    },
    channels: Object.fromEntries(named.map((socket) => [socket.id, channel(socket)])),
    operations: Object.fromEntries(
      named.flatMap(({ id, docs }) => [
        [`${id}.receive`, operation('receive', id, 'in', docs.receives)],
        [`${id}.send`, operation('send', id, 'out', docs.sends)],
      ]),
    ),
    components: {
      securitySchemes: { [BEARER]: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

/** A path as the documents write it: `/ws/{token}`. */
export function addressOf(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}');
}

function idOf({ path, encoder }: Sockets[number]): string {
  const words = path.split(/\W+/).filter((word) => word !== '');
  return [encoder.dialect, ...words].join('_');
}

function channel({ path, docs, encoder }: Sockets[number]): object {
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => [name, {}] as const);
  return {
    address: addressOf(path),
    title: encoder.dialect,
    summary: docs.summary,
    ...(parameters.length > 0 ? { parameters: Object.fromEntries(parameters) } : {}),
    messages: { ...messages('in', docs.receives), ...messages('out', docs.sends) },
    bindings: { ws: { method: 'GET', query: docs.query, bindingVersion: '0.1.0' } },
  };
}

// Many frames have the same name in both directions.
function messages(direction: 'in' | 'out', frames: Readonly<Record<string, TSchema>>): object {
  return Object.fromEntries(
    Object.entries(frames).map(([name, payload]) => [`${direction}.${name}`, { name, payload }]),
  );
}

function operation(
  action: 'receive' | 'send',
  channelId: string,
  direction: 'in' | 'out',
  frames: Readonly<Record<string, TSchema>>,
): object {
  const $ref = `#/channels/${channelId}`;
  return {
    action,
    channel: { $ref },
    messages: Object.keys(frames).map((name) => ({ $ref: `${$ref}/messages/${direction}.${name}` })),
  };
}

function closeCodes(): string {
  const codes = Object.entries(CloseCode).map(([name, code]) => `${code} ${name}`);
  return `One JSON object a frame. Close codes: ${codes.join(', ')}.`;
}
