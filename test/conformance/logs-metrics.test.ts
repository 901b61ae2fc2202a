/** What a node says about itself: no secret in its log, and metrics that are documented and move. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { WebSocket } from 'ws';
import { request } from '../helpers/http.js';
import type { TestNode } from '../helpers/node.js';
import { heard, startPair } from '../helpers/rooms.js';
import { open } from '../helpers/socket.js';
import { mintToken, TEST_SECRET } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Metrics of a scrape: each sample by name and labels. */
async function scrape(node: TestNode): Promise<{ text: string; samples: Map<string, number> }> {
  const { text, status, headers } = await request('GET', `${node.url}/metrics`);
  if (status !== 200 || !headers.get('content-type')?.startsWith('text/plain')) throw new Error('no metrics');
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-z]\S*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (name !== undefined) samples.set(name, Number(value));
  }
  return { text, samples };
}

t.test('no token reaches the log, wherever it stood in a request, not even at trace', async (t) => {
  const pair = await startPair(t, { ROOMS_AUTH: 'jwt', LOG_LEVEL: 'trace' });
  const tokens: string[] = [];
  const token = async (): Promise<string> => {
    tokens.push(await mintToken({ sub: `user${tokens.length}`, name: 'Somebody' }));
    return tokens.at(-1) as string;
  };
  const room = await pair.room('a room', { token: await token() });
  for (const node of pair.nodes) {
    const api = `${node.url}/api/v1`;
    const ws = `${node.wsUrl}/api/v1`;
    const user = (): string => `user${tokens.length - 1}`;
    // Good ones, by every way in.
    let one = await token();
    await (await open(`${ws}/ws/${room}/${user()}?token=${one}&since=0.`, { t })).nextOf('history');
    one = await token();
    await (await open(`${ws}/ws/${room}/${user()}`, { t, protocols: ['bearer', one] })).nextOf('history');
    one = await token();
    await (
      await open(`${ws}/ws/${room}/${user()}`, { t, headers: { authorization: `Bearer ${one}` } })
    ).nextOf('history');
    // Where nothing takes them: wrong routes, wrong users, plain requests, paths that cannot be read.
    for (const path of [
      `/ws/${room}/nobody`,
      '/ws/0/nobody',
      '/rooms',
      '/nothing',
      '/%zz',
      `/rooms/${room}`,
    ]) {
      one = await token();
      await pair.refused(`${path}?token=${one}`);
      await pair.refused(path, { protocols: ['bearer', one] });
      await request('GET', `${api}${path}?token=${one}`);
      await request('POST', `${api}${path}?access_token=${one}`, { token: one, body: { token: one } });
      await request('GET', `${api}${path}/${one}`);
      await request('GET', `${api}/rooms`, {
        headers: { authorization: `Basic ${one}`, cookie: `a=${one}`, referer: `${api}?token=${one}` },
      });
    }
    for (const target of [
      `${ws.replace('/api/v1', '')}/ws/${await token()}`,
      `${node.wsUrl}/healthz?token=${await token()}`,
      `${node.wsUrl}/metrics?token=${await token()}`,
    ]) {
      const socket = new WebSocket(target);
      await new Promise((resolve) =>
        socket
          .on('error', resolve)
          .on('close', resolve)
          .on('open', () => socket.close()),
      );
    }
    // Not even HTTP: the parser's error holds the raw bytes.
    one = await token();
    const head = { Authorization: `Bearer ${one}`, Big: 'x'.repeat(17_000) };
    t.equal((await request('GET', `${api}/rooms?token=${one}`, { headers: head })).status, 431);
    const frames = await open(`${ws}/ws/${room}/${user()}`, {
      t,
      headers: { authorization: `Bearer ${one}` },
    });
    frames.send(`{"token":"${one}"`);
    await frames.nextOf('error');
    const guest = await request('POST', `${api}/users`, { body: { username: 'guest' } });
    tokens.push(guest.body.access_token as string);
  }
  for (const node of pair.nodes) {
    const lines = await until('the log has the requests', () => {
      const found = node.logs();
      return found.some((line) => line.includes('/users')) && found;
    });
    t.ok(lines.length > 25, `${lines.length} lines`);
    const log = lines.join('\n');
    const raw = lines
      .flatMap((line) => line.match(/"data":\[[\d,]+\]/g) ?? [])
      .map((bytes) => Buffer.from(JSON.parse(`{${bytes}}`).data).toString());
    for (const secret of [...tokens.flatMap((each) => [each, ...each.split('.').slice(1)]), TEST_SECRET]) {
      const inLog = lines.find((line) => line.includes(secret));
      t.equal(inLog, undefined, 'a secret in a line');
      t.notOk(
        raw.some((text) => text.includes(secret)),
        'nor as raw bytes',
      );
    }
    t.match(log, '[redacted]');
    const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
    t.ok(
      requests.every(({ method, url, ip, status, ms }) => method && url && ip && status && ms >= 0),
      'one line per request',
    );
  }
});

t.test('metrics are those of the README, and move', async (t) => {
  const pair = await startPair(t, { SOCKET_RATE: '2' });
  const [node] = pair.nodes;
  const { text, samples: before } = await scrape(node);
  const served = [...text.matchAll(/^# HELP (parlance_\w+) (.*)$/gm)].map(([, name, help]) => [name, help]);
  const documented = [...README.matchAll(/^\| `(parlance_\w+)` \| (.*) \|$/gm)].map(([, name, help]) => [
    name,
    help,
  ]);
  t.ok(documented.length > 10);
  t.same([...served].sort(), [...documented].sort());
  t.match(text, /^process_resident_memory_bytes /m, 'and those of the process');

  const room = await pair.room();
  const ann = await open(`${node.wsUrl}/api/v1/ws/${room}/ann`, { t });
  const bob = await open(`${node.wsUrl}/api/v1/ws/${room}/bob`, { t });
  await ann.nextOf('history');
  await bob.nextOf('history');
  ann.send({ type: 'text', content: 'one' });
  await Promise.all([heard(ann, 'one'), heard(bob, 'one')]);
  ann.send({ type: 'text', content: '' });
  await ann.nextOf('error');
  const of = (samples: Map<string, number>, name: string): number => samples.get(name) ?? 0;
  // What was stored comes back on one connection to Redis, the answer to the append on another: maybe later.
  const open2 = await until('the append is counted', async () => {
    const { samples } = await scrape(node);
    const appended = (at: Map<string, number>) => of(at, 'parlance_append_seconds_count');
    return appended(samples) > appended(before) && samples;
  });
  t.equal(of(open2, 'parlance_sockets{dialect="rooms"}'), 2);
  t.equal(of(open2, 'parlance_feeds'), 1);
  t.equal(of(open2, 'parlance_frames_received_total{dialect="rooms"}'), 2);
  t.equal(of(open2, 'parlance_messages_delivered_total{dialect="rooms"}'), 2);
  t.equal(of(open2, 'parlance_append_seconds_count') - of(before, 'parlance_append_seconds_count'), 1);
  t.equal(of(open2, 'parlance_delivery_seconds_count'), 1, 'once per message, not per socket');
  t.ok(of(open2, 'parlance_redis_connects_total') >= 1);
  t.ok(of(open2, 'parlance_max_fds') > 0);
  t.equal(of(open2, 'parlance_outbox_bytes'), 0);
  for (const name of [
    'feed_gaps',
    'feed_rollbacks',
    'feed_rolled_back_messages',
    'reader_stalls',
    'deafness',
    'events_undecodable',
    'leases_lost',
  ]) {
    t.equal(of(open2, `parlance_${name}_total`), 0, name);
  }

  for (let i = 0; i < 30; i += 1) bob.send('nonsense');
  await bob.closed;
  await ann.close();
  const closed = await until('the sockets are counted out', async () => {
    const { samples } = await scrape(node);
    return of(samples, 'parlance_sockets{dialect="rooms"}') === 0 && samples;
  });
  t.equal(of(closed, 'parlance_sockets_closed_total{code="4429"}'), 1);
});

t.test('X-Forwarded-For: a warning where it is not believed, clients apart where it is', async (t) => {
  const limits = { RATE_LIMIT_MAX: '2', RATE_LIMIT_WINDOW: '600000' };
  const from = async (node: TestNode, ip: string) =>
    (await request('GET', `${node.url}/api/v1/rooms`, { headers: { 'x-forwarded-for': ip } })).status;
  const off = await startPair(t, limits);
  const statuses = [];
  for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) statuses.push(await from(off.nodes[0], ip));
  t.same(statuses, [200, 200, 429], 'one client, whatever it says');
  const warnings = (node: TestNode) => node.logs().filter((line) => line.includes('TRUST_PROXY'));
  const requests = (node: TestNode) => node.logs().filter((line) => line.includes('"url":"/api/v1/rooms"'));
  await until('all are logged', () => requests(off.nodes[0]).length === statuses.length);
  t.equal(warnings(off.nodes[0]).length, 1, 'once');
  t.equal(warnings(off.nodes[1]).length, 0);

  const on = await startPair(t, { ...limits, TRUST_PROXY: '1' });
  const apart = [];
  for (const ip of [
    '192.0.2.1',
    '192.0.2.1',
    '192.0.2.1',
    '192.0.2.2',
    '192.0.2.1, 192.0.2.3',
    '192.0.2.9, 192.0.2.1',
  ]) {
    apart.push(await from(on.next(), ip));
  }
  t.same(apart, [200, 200, 429, 200, 200, 429], 'the hop before the proxy, not what a client made up');
  await until('all are logged', () => on.nodes.flatMap(requests).length === apart.length);
  t.same(on.nodes.flatMap(warnings), []);
});

t.test('ALLOWED_ORIGINS: other pages may not connect', async (t) => {
  const pair = await startPair(t, { ALLOWED_ORIGINS: 'https://app.example,https://other.example' });
  const room = await pair.room();
  const origin = (value: string) => ({ headers: { origin: value } });
  t.equal(await pair.refused(`/ws/${room}/evil`, origin('https://evil.example')), 401);
  t.equal((await pair.api('GET', '/users/evil')).status, 404, 'nobody was made of it');
  for (const good of ['https://app.example', 'https://other.example']) {
    const socket = await open(pair.socketUrl(room, 'ann'), { t, ...origin(good) });
    await socket.nextOf('history');
    const answer = await pair.api('GET', '/rooms', origin(good));
    t.equal(answer.headers.get('access-control-allow-origin'), good);
  }
  const evil = await pair.api('GET', '/rooms', origin('https://evil.example'));
  t.equal(evil.headers.get('access-control-allow-origin'), null);
  await (await open(pair.socketUrl(room, 'ann'), { t })).nextOf('history');
});
