/** A seeded stream of requests that no client of the rooms API should send. */

import fc from 'fast-check';
import {
  decoded,
  GOOD,
  mayBeGood,
  nested,
  objectOf,
  oddJson,
  oddNumber,
  oddText,
  prototyped,
} from './malformed-frames.js';

/** A request as it goes over the wire, and the statuses of which one is due. */
export interface BadRequest {
  readonly what: string;
  readonly bytes: Buffer;
  readonly due: readonly number[];
  /** Whether the answer has a body. */
  readonly body: boolean;
}

/** A head and a body as one request that closes its connection. */
function wire(
  method: string,
  target: string,
  headers: readonly string[],
  body: Buffer,
  chunk?: number,
): Buffer {
  const framing: string[] = [];
  let sent = body;
  if (chunk !== undefined) {
    const parts: Buffer[] = [];
    for (let at = 0; at < body.length; at += chunk) {
      const part = body.subarray(at, at + chunk);
      parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
    }
    sent = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
    framing.push('Transfer-Encoding: chunked');
  } else if (body.length > 0 || method === 'POST') framing.push(`Content-Length: ${body.length}`);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: close',
    ...headers,
    ...framing,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), sent]);
}

/** What makes a body good enough for one of the POST routes. */
function mayBeGoodBody(body: Buffer): boolean {
  const json = decoded(body);
  if (json === undefined) return false;
  try {
    const value = JSON.parse(json) as Record<string, unknown>;
    const named = [value.name, value.username].some((name) => typeof name === 'string' && name.trim() !== '');
    return named || mayBeGood(JSON.stringify({ ...value, type: 'text' }));
  } catch {
    return false;
  }
}

const bodies: fc.Arbitrary<Buffer> = fc
  .oneof(
    {
      weight: 4,
      arbitrary: objectOf({
        name: oddJson,
        username: oddJson,
        content: oddJson,
        user_id: oddJson,
        type: oddJson,
      }),
    },
    { weight: 2, arbitrary: oddJson },
    oddText,
    nested,
    prototyped,
    fc.constant(`{"name":"${'x'.repeat(110_000)}"}`),
  )
  .map((json) => Buffer.from(json))
  .chain((bytes) => fc.constantFrom(bytes, bytes.subarray(0, bytes.length >> 1)));
const badUtf8 = fc
  .constantFrom('name', 'username', 'content')
  .map((key) =>
    Buffer.concat([Buffer.from(`{"${key}":"a`), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('"}')]),
  );

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
  const none = Buffer.alloc(0);
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
    body: fc
      .tuple(posts, fc.oneof(bodies, badUtf8), fc.option(fc.integer({ min: 1_000, max: 60_000 })))
      .filter(([, body]) => !mayBeGoodBody(body))
      .map(([path, body, chunk]) =>
        make(`POST ${path}`, wire('POST', path, [json], body, chunk ?? undefined), [400]),
      ),
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
      .map((target) => make(`GET ${target.slice(0, 80)}`, wire('GET', target, [], none), [400, 404, 431])),
    query: fc
      .tuple(
        fc.constantFrom('limit', 'before', 'after'),
        fc.oneof(escaped, oddNumber, fc.constantFrom('', 'abc', '0', '1&limit=1&before=1&after=1&limit=2')),
      )
      .filter(([, value]) => !/^(%3[0-9])+$/.test(value))
      .map(([name, value]) => `/api/v1/rooms/${room}/messages?${name}=${value}`)
      .map((target) => make(`GET ${target}`, wire('GET', target, [], none), [400])),
    method: fc
      .tuple(methods, fc.constantFrom('/api/v1/nothing', '/nothing', `/api/v1/rooms/${room}/x`, '/api/v1/ws'))
      .map(([method, target]) =>
        make(`${method} ${target}`, wire(method, target, [], none), [400, 404], method !== 'HEAD'),
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
        make(
          `POST ${path} as ${type}`,
          wire('POST', path, [`Content-Type: ${type}`], Buffer.from(GOOD)),
          [400],
        ),
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
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99',
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
  const weights: Record<string, number> = { body: 6, path: 4, query: 2 };
  const all = fc.oneof(
    ...Object.entries(kinds).map(([kind, arbitrary]) => ({ weight: weights[kind] ?? 1, arbitrary })),
  );
  return fc.sample(all, { seed, numRuns: count });
}
