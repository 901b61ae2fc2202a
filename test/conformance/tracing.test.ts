/** Traces: sent to a collector when one is named, and not even loaded otherwise; and ids of requests in the log. */

import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createRoom, post } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { open } from '../helpers/socket.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
}

/** A collector that keeps the spans it is sent (OTLP over HTTP, as JSON). */
async function startCollector(t: Test): Promise<{ url: string; spans: Span[]; paths: Set<string> }> {
  const spans: Span[] = [];
  const paths = new Set<string>();
  const server = createServer(async (incoming: IncomingMessage, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    paths.add(incoming.url ?? '');
    const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
      resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
    };
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    answer.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, paths };
}

const linesOf = (node: TestNode) =>
  node.logs().flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
const requestsOf = (node: TestNode) => linesOf(node).filter(({ msg }) => msg === 'request');

const redis = await startAnyRedis(t);
/** Says, when asked, how much of OpenTelemetry is loaded beyond the interface that other packages have in them. */
const PROBE = `process.on('SIGUSR2', () => console.log('loaded: ' +
  Object.keys(require.cache).filter((file) => /@opentelemetry.(sdk|exporter|otlp)/.test(file)).length));`;

async function startProbed(
  t: Test,
  env: Record<string, string>,
): Promise<TestNode & { loaded(): Promise<number> }> {
  const probe = join(t.testdir({ 'probe.cjs': '' }), 'probe.cjs');
  writeFileSync(probe, PROBE);
  const node = await startNode(t, {
    ...redis.env,
    ROOMS_AUTH: 'trusted',
    NODE_OPTIONS: `--require ${probe}`,
    ...env,
  });
  const loaded = async () => {
    node.proc.kill('SIGUSR2');
    const line = await until('an answer', () => node.logs().find((one) => one.startsWith('loaded: ')));
    return Number(line.slice('loaded: '.length));
  };
  return Object.assign(node, { loaded });
}

t.test('with a collector', async (t) => {
  const collector = await startCollector(t);
  const node = await startProbed(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '200',
  });
  const room = await createRoom(node);
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const parent = 'b7ad6b7169203331';
  await post(node, room, 'ada', 'traced', { traceparent: `00-${trace}-${parent}-01` });
  await request('GET', `${node.url}/api/v1/rooms/0?token=a.secret.token`);
  const socket = await open(`${node.wsUrl}/api/v1/ws/${room}/ada`, { t });
  socket.send({ type: 'text', content: 'by socket' });
  await socket.nextOf('text');
  const named = (name: string) => collector.spans.filter((span) => span.name === name);
  const SENT = 'POST /api/v1/rooms/:room/messages';
  await until(
    'the spans are there',
    () =>
      named('append').length >= 2 && named(SENT).length > 0 && named('GET /api/v1/rooms/:room').length > 0,
  );
  t.same([...collector.paths], ['/v1/traces']);
  const [sent] = named(SENT);
  t.match(sent, { traceId: trace, parentSpanId: parent }, 'it goes on where its client began');
  const [append] = named('append').filter((span) => span.traceId === trace);
  t.equal(append?.parentSpanId, sent?.spanId, 'with the append in it');
  const attributes = Object.fromEntries(
    (sent?.attributes ?? []).map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  );
  t.match(attributes, { 'http.request.method': 'POST', 'http.response.status_code': 200 });
  t.notMatch(JSON.stringify(collector.spans), 'secret', 'no token is in them');
  t.same(
    collector.spans.filter(({ name }) => /readyz|healthz|metrics|\/ws\//.test(name)),
    [],
    'no probes, and no sockets',
  );
  await until('the log names the trace', () => requestsOf(node).some((line) => line.trace === trace));
  t.ok((await node.loaded()) > 0);
  const before = collector.spans.length;
  await request('GET', `${node.url}/api/v1/rooms`);
  t.equal(await node.stop(), 0);
  t.ok(collector.spans.length > before, 'what was not sent yet is sent at the end');
});

t.test('with a collector that is away', async (t) => {
  const node = await startProbed(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  });
  const room = await createRoom(node);
  for (let i = 0; i < 20; i += 1) await post(node, room, 'ada', `message ${i}`);
  t.equal(await node.stop(), 0, 'everything goes on, and it ends');
});

t.test('without one', async (t) => {
  const node = await startProbed(t, {});
  const room = await createRoom(node);
  const socket = await open(`${node.wsUrl}/api/v1/ws/${room}/ada`, { t });
  const url = `${node.url}/api/v1/rooms/${room}`;
  // Lines come through a pipe, one after the other: with this one all earlier ones are there.
  await request('GET', url, { headers: { 'x-request-id': 'before' } });
  await until('what was before is logged', () => requestsOf(node).some(({ reqId }) => reqId === 'before'));
  const before = requestsOf(node).length;
  for (let i = 0; i < 20; i += 1) socket.send({ type: 'text', content: `message ${i}` });
  for (let i = 0; i < 20; i += 1) await socket.nextOf('text');
  const given = await request('GET', url, { headers: { 'x-request-id': 'from-the-gateway.7' } });
  t.equal(given.headers.get('x-request-id'), 'from-the-gateway.7');
  const odd = await request('GET', url, { headers: { 'x-request-id': 'a "b" {c}' } });
  t.match(odd.headers.get('x-request-id'), /^[0-9a-f-]{36}$/, 'what is not fit for a log is replaced');
  await until('both are logged', () => requestsOf(node).length >= before + 2);
  const lines = requestsOf(node).slice(before);
  t.equal(lines.length, 2, 'one line for each request, none for messages');
  t.same(
    lines.map(({ reqId }) => reqId),
    ['from-the-gateway.7', odd.headers.get('x-request-id')],
  );
  t.same(
    lines.map(({ level }) => level),
    [30, 30],
    'at info',
  );
  t.equal(await node.loaded(), 0, 'nothing of OpenTelemetry is loaded');
});
