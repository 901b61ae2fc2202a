/** A seeded stream of bytes that are no requests, or that no HTTP client would write. */

import fc from 'fast-check';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const GOOD = '{"type":"text","content":"hello","user_id":"mallory"}';

/** A request as it goes over the wire, and the statuses of which one is due. */
export interface BadRequest {
  readonly what: string;
  readonly bytes: Buffer;
  readonly due: readonly number[];
  /** Whether the answer has a body. */
  readonly body: boolean;
}

/** A head and a body as one request that closes its connection. */
function wire(method: string, target: string, headers: readonly string[], body = ''): Buffer {
  const framing = method === 'POST' ? [`Content-Length: ${body.length}`] : [];
  const head = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...headers,
    ...framing,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

const escaped = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
const segment = fc.oneof(
  escaped,
  fc.stringMatching(/^[!-"$->@-~]{1,30}$/),
  fc.constantFrom(
    '..',
    '.',
    '..%2f..%2fetc%2fpasswd',
    '%',
    '%zz',
    '%00',
    '%c0%af',
    '%ff',
    '%2e%2e',
    '$0',
    '*',
    'a'.repeat(300),
    '9'.repeat(9_000),
    '__proto__',
    'constructor',
  ),
);
const ROUTE = /^\/api\/v1\/(rooms|users)\/?(\?|$)|^\/api\/v1\/rooms\/[1-9]\d*(\/messages)?\/?$/;

/** `count` requests, the same for the same seed. `room` is the id of one that exists. */
export function badRequests(seed: number, count: number, room: string): BadRequest[] {
  const posts = fc
    .constantFrom('/rooms', '/users', `/rooms/${room}/messages`)
    .map((path) => `/api/v1${path}`);
  const json = 'Content-Type: application/json';
  const make = (what: string, bytes: Buffer, due: readonly number[], body = true): BadRequest => ({
    what,
    bytes,
    due,
    body,
  });
  const methods = fc.constantFrom(
    'PUT',
    'PATCH',
    'DELETE',
    'TRACE',
    'PROPFIND',
    'SEARCH',
    'QUERY',
    'GET',
    'HEAD',
    'LOCK',
  );
  const kinds: Record<string, fc.Arbitrary<BadRequest>> = {
    path: fc
      .tuple(
        fc.constantFrom(
          '/',
          '/api/v1/',
          '/api/v1/rooms/',
          '/api/v1/users/',
          '/api/v1/ws/',
          `/api/v1/ws/${room}/`,
        ),
        fc.array(segment, { minLength: 1, maxLength: 3 }),
      )
      .map(([start, parts]) => start + parts.join('/'))
      .filter((target) => !ROUTE.test(target))
      .map((target) => make(`GET ${target.slice(0, 80)}`, wire('GET', target, []), [400, 404, 431])),
    method: fc
      .tuple(methods, fc.constantFrom('/api/v1/nothing', '/nothing', `/api/v1/rooms/${room}/x`, '/api/v1/ws'))
      .map(([method, target]) =>
        make(`${method} ${target}`, wire(method, target, []), [400, 404], method !== 'HEAD'),
      ),
    type: fc
      .tuple(
        posts,
        fc.constantFrom(
          'text/plain',
          'text/html',
          'application/xml',
          'application/jsonx',
          'multipart/form-data; boundary=x',
          ';',
          'a/b/c',
          '\xff',
        ),
      )
      .map(([path, type]) =>
        make(`POST ${path} as ${type}`, wire('POST', path, [`Content-Type: ${type}`], GOOD), [400]),
      ),
    header: fc
      .constantFrom(
        'Content-Length: 5\r\nContent-Length: 6',
        'Content-Length: -1',
        'Content-Length: 1e3',
        'Transfer-Encoding: nonsense',
        'Transfer-Encoding: chunked\r\nContent-Length: 3',
        'No colon',
        'Bad\0name: a',
        'Name: a\0b',
        'Content-Length: 99999999999999999999',
        `Big: ${'x'.repeat(20_000)}`,
        ': empty',
      )
      .map((line) =>
        make(
          `header ${line.slice(0, 50)}`,
          Buffer.from(
            `POST /api/v1/rooms HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${json}\r\n${line}\r\n\r\n{}`,
            'latin1',
          ),
          [400, 431],
        ),
      ),
    noise: fc
      .oneof(
        fc.uint8Array({ minLength: 4, maxLength: 80 }).map(Buffer.from),
        fc
          .constantFrom(
            'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
            '\x16\x03\x01\x02\x00\x01',
            'GET / HTTP/9.9\r\n\r\n',
            'GET / HTTP/1.1 x\r\n\r\n',
            'get /api/v1/rooms HTTP/1.1\r\n\r\n',
          )
          .map((line) => Buffer.from(line, 'latin1')),
      )
      .filter((bytes) => !/^[\r\n]+$/.test(bytes.toString('latin1')))
      .map((bytes) =>
        make(
          `noise ${JSON.stringify(bytes.toString('latin1'))}`,
          Buffer.concat([bytes, Buffer.from('\r\n\r\n')]),
          [400],
        ),
      ),
    upgrade: fc
      .tuple(
        fc.constantFrom(
          '/api/v1/rooms',
          `/api/v1/ws/${room}/mallory`,
          '/api/v1/ws/0/mallory',
          '/healthz',
          '/nothing',
          `/api/v1/ws/${room}/m?since=x`,
        ),
        fc.constantFrom('websocket', 'WebSocket'),
        fc.constantFrom(
          'Sec-WebSocket-Key: short',
          'X-Nothing: a',
          `${KEY}\r\nSec-WebSocket-Version: 99`,
          ...['bearer, ,', 'a, a', '', 'a b'].map(
            (offered) => `${KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${offered}`,
          ),
        ),
      )
      .map(([target, protocol, key]) =>
        make(
          `upgrade ${target} ${protocol}`,
          Buffer.from(
            `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${key}\r\n\r\n`,
          ),
          [400, 404],
        ),
      ),
  };
  const all = fc.oneof(
    ...Object.entries(kinds).map(([kind, arbitrary]) => ({ weight: kind === 'path' ? 4 : 1, arbitrary })),
  );
  return fc.sample(all, { seed, numRuns: count });
}
