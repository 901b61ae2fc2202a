/** The small parts of the HTTP layer by themselves: error mapping, health, the frame bucket, refusals. */

import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import Fastify from 'fastify';
import t from 'tap';
import { ChatError, type ErrorCode } from '../../src/core/errors.js';
import { limitBodyTime } from '../../src/http/body.js';
import { FrameBucket } from '../../src/http/bucket.js';
import { STATUS, toChatError } from '../../src/http/errors.js';
import { Health } from '../../src/http/health.js';
import { refuseClient } from '../../src/http/refusals.js';
import { until } from '../helpers/wait.js';

t.test('whatever is thrown becomes a ChatError', async (t) => {
  const own = new ChatError('conflict', 'taken');
  t.equal(toChatError(own), own);
  const cases: [thrown: unknown, code: ErrorCode, status: number][] = [
    [{ statusCode: 400, message: 'bad' }, 'bad_request', 400],
    [{ statusCode: 415, message: 'media' }, 'bad_request', 400],
    [{ statusCode: 418, message: 'tea' }, 'bad_request', 400],
    [{ statusCode: 404, message: 'no such' }, 'not_found', 404],
    [{ statusCode: 413, message: 'big' }, 'too_large', 413],
    [{ statusCode: 429, message: 'many' }, 'rate_limited', 429],
    [{ statusCode: 503, message: 'closing' }, 'unavailable', 503],
    [{ statusCode: 500, message: 'secret words' }, 'internal', 500],
    [{ statusCode: 302, message: 'secret words' }, 'internal', 500],
    [new TypeError('secret words'), 'internal', 500],
    [new Error('secret words', { cause: own }), 'internal', 500],
    ['secret words', 'internal', 500],
  ];
  for (const [thrown, code, status] of cases) {
    const error = toChatError(thrown);
    t.equal(error.code, code, JSON.stringify(thrown));
    t.equal(STATUS[error.code], status);
    t.notMatch(error.message, /secret/, 'what is unknown keeps its words to itself');
    t.not(error.message, '');
  }
  for (const thrown of [{ statusCode: 404 }, { statusCode: 400 }, { statusCode: 503 }]) {
    t.not(toChatError(thrown).message, '', 'there are always words');
  }
});

t.test('even nothing can be thrown', async (t) => {
  for (const thrown of [undefined, null, 0, '', Symbol('s')]) t.equal(toChatError(thrown).code, 'internal');
});

t.test('a body that does not come to its end', async (t) => {
  const app = Fastify();
  limitBodyTime(app, 200);
  app.post('/', (request) => request.body as object);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address() as { port: number };
  const say = (words: string) => {
    const line = connect({ host: '127.0.0.1', port });
    line.on('error', () => undefined);
    line.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n${words}`,
    );
    return line;
  };
  const slow = say('{"a":1').resume(); // whose end is only heard of by reading
  const whole = say('{"a":1}');
  let answer = '';
  whole.on('data', (chunk) => {
    answer += chunk;
  });
  await until('the slow one is cut', () => slow.closed, 15_000);
  await until('the other one is answered', () => answer.includes('\r\n\r\n'), 15_000);
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  t.notOk(whole.closed, 'what was answered stays open');
  whole.destroy();
});

t.test('health names its faults', async (t) => {
  const vitals = { hearing: false, answeredAt: undefined as number | undefined };
  const health = new Health(vitals);
  t.same(health.faults(), ['Redis has not answered yet'], 'at the start; deafness follows from it');
  vitals.answeredAt = performance.now();
  t.same(health.faults(), ['what is published does not arrive here']);
  vitals.hearing = true;
  t.same(health.faults(), []);
  vitals.answeredAt = performance.now() - 9_000;
  t.same(health.faults(), [], 'a Redis away for nine seconds');
  vitals.answeredAt = performance.now() - 10_001;
  t.same(health.faults(), ['Redis does not answer']);
  vitals.hearing = false;
  t.same(health.faults(), ['Redis does not answer'], 'deaf for that reason');
  vitals.answeredAt = performance.now();
  vitals.hearing = true;
  health.draining = true;
  t.same(health.faults(), ['draining']);
});

t.test('the frame bucket: a burst, then the rate, then the end', async (t) => {
  const bucket = new FrameBucket({ rate: 2, burst: 4 }, 0);
  const take = (n: number, at: number): string[] => Array.from({ length: n }, () => bucket.take(at));
  t.same(take(5, 0), ['pass', 'pass', 'pass', 'pass', 'refuse']);
  t.same(take(2, 500), ['pass', 'refuse'], 'one more after half a second');
  t.same(take(3, 1_500), ['pass', 'pass', 'refuse']);
  t.same(take(5, 3_500), ['pass', 'pass', 'pass', 'pass', 'refuse'], 'full again: the past is forgiven');
  t.same(take(7, 3_500), Array(7).fill('refuse'));
  t.same(take(1, 3_500), ['close'], 'two bursts refused without a pause');
  t.same(take(2, 4_500), ['pass', 'pass'], 'the caller closes; the bucket goes on');
  t.same(take(1, 4_500), ['close'], 'and has not forgotten');
});

/** What a client is sent for an error of the parser. */
async function refusal(error: { code?: string }): Promise<{ text: string; ended: boolean }> {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  refuseClient(error, stream as unknown as Socket);
  await new Promise((resolve) => setImmediate(resolve));
  return { text: Buffer.concat(chunks).toString(), ended: stream.writableEnded };
}

t.test('what is no HTTP is answered in the documented shape, and the connection ends', async (t) => {
  for (const [code, status] of [
    ['HPE_INVALID_METHOD', '400 Bad Request'],
    ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
    ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
    [undefined, '400 Bad Request'],
  ] as const) {
    const { text, ended } = await refusal(code === undefined ? {} : { code });
    const [head = '', body = ''] = text.split('\r\n\r\n');
    t.equal(head.split('\r\n')[0], `HTTP/1.1 ${status}`);
    t.same(Object.keys(JSON.parse(body)), ['detail']);
    t.match(head, new RegExp(`Content-Length: ${Buffer.byteLength(body)}$`, 'm'));
    t.ok(ended);
  }
  t.same(await refusal({ code: 'ECONNRESET' }), { text: '', ended: false }, 'there is nobody to tell');
});
