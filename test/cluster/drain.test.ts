import { connect as connectTcp, type Socket } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import { createRoom, faultsIn, history, repeatsIn, startNodes } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { keepTalking, Member } from '../helpers/member.js';
import { isReady, NODE_MAIN, type TestNode } from '../helpers/node.js';
import { type Program, startProgram } from '../helpers/process.js';
import { startRedis } from '../helpers/redis.js';
import { connect } from '../helpers/socket.js';
import { TEST_SECRET } from '../helpers/token.js';
import { onlyOn, startAnyRedis } from '../helpers/topology.js';
import { type Owner, sleep, until } from '../helpers/wait.js';

/** A connection on which `words` are said as they are. */
function talkTo(t: Owner, { port }: TestNode, words: string): { socket: Socket; heard: () => string } {
  const socket = connectTcp(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  if (words !== '') socket.write(words);
  return { socket, heard: () => heard };
}

t.test('a node told to stop under load', async (t) => {
  const redis = await startAnyRedis(t);
  const nodes = await startNodes(t, 2, { ...redis.env, DRAIN_MS: '5000' });
  const [a, b] = nodes as [TestNode, TestNode];
  const rooms = [await createRoom(a), await createRoom(a), await createRoom(a)];
  const join = (room: string, i: number) =>
    Member.join(t, {
      nodes: [nodes[i % 2] as TestNode, b],
      room,
      user: `user-${i}`,
      // One of those who are moved takes its time.
      ...(i === 2 ? { awayMs: 5_000 } : {}),
    });
  const joinAll = (is: number[]) => Promise.all(rooms.flatMap((room) => is.map((i) => join(room, i))));
  const stayed = await joinAll([1, 3]);
  const moved = await joinAll([0, 2]);
  const members = [...stayed, ...moved];
  // Whoever is announced to them once more is heard twice.
  await until('those who stay have heard of the others', () =>
    stayed.every(({ announced }) =>
      [0, 2].every((i) => announced.some((one) => one.includes(`user-${i} joined`))),
    ),
  );
  const left = () => members.flatMap(({ announced }) => announced.filter((one) => one.includes('left')));
  const talk = keepTalking(members, 10);
  await until('it flows', () => members.every(({ acknowledged }) => acknowledged.size >= 20));

  // Requests that are under way when it is told to stop are finished.
  const posts = Array.from({ length: 20 }, (_, i) =>
    request<{ content: string }>('POST', `${a.url}/api/v1/rooms/${rooms[0]}/messages`, {
      body: { content: `post ${i}`, user_id: 'user-0', type: 'text' },
    }),
  );
  a.proc.kill('SIGTERM');
  await until('it says that it is not ready', async () => !(await isReady(a.url)), 20_000, 5);
  t.ok(
    moved.some(({ closes }) => closes.length === 0),
    'before it closes its sockets',
  );
  t.match((await request('GET', `${a.url}/readyz`)).body, { reasons: ['draining'] });
  t.ok(await isReady(b.url), 'the other one is');
  t.equal(await a.exited, 0, 'it ends with 0');

  // What ends the sockets of a node that is gone may yet be on its way.
  await until('everybody is at the other one', () =>
    members.every((one) => one.open && (stayed.includes(one) || one.closes.length > 0)),
  );
  t.ok(
    moved.every(({ closes }) => closes.join() === '1012'),
    'each socket was closed once, with 1012',
  );
  t.ok(
    stayed.every(({ closes }) => closes.length === 0),
    'and no other',
  );
  const before = members.map(({ acknowledged }) => acknowledged.size);
  await until('it flows', () =>
    members.every(({ acknowledged }, i) => acknowledged.size >= (before[i] as number) + 20),
  );
  const sent = await talk.stop();

  t.strictSame(
    [...new Set((await Promise.all(posts)).map(({ status }) => status))],
    [200],
    'requests under way were answered',
  );
  for (const room of rooms) {
    // What is acknowledged while the history is read may be missing in it.
    const acknowledged = members
      .filter((one) => one.room === room)
      .flatMap((one) => [...one.acknowledged.keys()]);
    const log = await history(b, room);
    const stored = log.map(({ content }) => content);
    t.strictSame(faultsIn(log, 1), []);
    t.strictSame(repeatsIn(stored), [], 'nothing is stored twice');
    t.strictSame(
      acknowledged.filter((content) => !stored.includes(content)),
      [],
      'nothing echoed is missing',
    );
    await until('all have it', () => members.every((one) => one.room !== room || one.last >= log.length));
  }
  t.strictSame(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  t.equal(
    members.reduce((sum, { resets }) => sum + resets, 0),
    0,
    'nobody had to start over',
  );
  const lost = sent.filter((content) =>
    members.every((one) => !one.acknowledged.has(content) && !one.refused.has(content)),
  );
  const unread = moved.length * 64; // what a client sent while its socket was being closed
  t.ok(lost.length <= unread, `${lost.length} sends met a closing socket`);

  // Past the lease of the node that is gone: somebody has cleaned up after it.
  await until('its name is gone', async () => (await redis.ask('ZCARD nodes')) === ':1\r\n', 30_000, 100);
  await sleep(500);
  t.strictSame(left(), [], 'nobody left');
  t.strictSame(
    members.flatMap(({ announced }) => repeatsIn(announced)),
    [],
    'and nobody joined again',
  );
});

t.test(
  'a socket on its way in when the node is told to stop',
  onlyOn('one', 'it freezes the one server'),
  async (t) => {
    const redis = await startRedis(t);
    const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '0' })) as [TestNode];
    const room = await createRoom(node);
    redis.pause();
    const socket = new WebSocket(`${node.url.replace('http', 'ws')}/api/v1/ws/${room}/late`);
    const ended = new Promise<string>((resolve) => {
      socket.once('unexpected-response', (_, response) => resolve(`refused ${response.statusCode}`));
      socket.once('close', (code) => resolve(`closed ${code}`));
      socket.on('error', () => undefined);
    });
    // Its upgrade waits for Redis by then: whoever came after it was answered.
    await request('GET', `${node.url}/healthz`);
    await sleep(500);
    node.proc.kill('SIGTERM');
    await sleep(500);
    redis.resume();
    t.match(await ended, /^(refused 503|closed 1012)$/);
    t.equal(await node.exited, 0, 'nobody waits for it');
  },
);

t.test('whoever asked for a socket on a path that is none does not hold up a drain', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '0' })) as [TestNode];
  for (const path of ['/ws/chat/%ff/', '/x%zz', '/api/conversations/%ff/connect', '/ws/chat/none/', '/x']) {
    const socket = connect(node.wsUrl + path, { t });
    const status = await socket.upgradeStatus;
    t.ok(status === 404 || status === 401, `${path}: ${status}`);
  }
  node.proc.kill('SIGTERM');
  t.equal(await node.exited, 0);
});

t.test('a node without Redis', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '300' })) as [TestNode];
  const room = await createRoom(node);
  const member = await Member.join(t, { nodes: [node], room, user: 'user', returns: false });
  await redis.kill9();
  member.send('into the void');
  await sleep(200);
  t.equal(await node.stop(), 0, 'drains all the same');
  await until('the member has heard of it', () => member.closes.length > 0);
  t.strictSame(member.closes, [1012]);
});

t.test('whoever keeps a connection does not hold up a drain', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '0' })) as [TestNode];
  const talk = (words: string) => talkTo(t, node, words);
  const body = JSON.stringify({ name: 'late', type: 'public', created_by: 'ada' });
  const head = `POST /api/v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  const late = talk(head + body.slice(0, 9));
  const silent = talk('');
  const halfway = talk('GET /healthz HTT');
  const unanswered = [late, silent, halfway];
  await until('they are connected', () =>
    unanswered.every(({ socket }) => !socket.connecting && socket.writableLength === 0),
  );
  // Whoever is answered came after them: the node has taken them in too.
  const served = talk('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('it answered', () => served.heard().endsWith('{"status":"ok"}'));
  t.match(served.heard(), /Connection: keep-alive/i);
  node.proc.kill('SIGTERM');
  await until('it lets go of who waits for nothing', () => served.socket.closed);
  t.notOk(late.socket.closed, 'a request under way goes on');
  late.socket.write(body.slice(9));
  await until('it is answered', () => late.socket.closed);
  t.match(late.heard(), /^HTTP\/1\.1 200 OK\r\n/);
  t.match(late.heard(), /\r\nconnection: close\r\n/i, 'and told that there is no more');
  t.equal(await node.exited, 0, node.logs().join('\n'));
  t.match(node.logs().join('\n'), /"connections":2,"msg":"connections cut off by the drain"/);
  await until('all are cut off', () => silent.socket.closed && halfway.socket.closed);
  t.equal(silent.heard() + halfway.heard(), '');
});

t.test('an upgrade that came to nothing does not hold up a drain', async (t) => {
  const redis = await startAnyRedis(t);
  const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '0' })) as [TestNode];
  const upgrade = 'Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const preflight = talkTo(
    t,
    node,
    `OPTIONS /api/v1/rooms HTTP/1.1\r\nOrigin: x\r\nAccess-Control-Request-Method: GET\r\n${upgrade}`,
  );
  const behind = talkTo(t, node, `GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /ws HTTP/1.1\r\n${upgrade}`);
  await until('both are answered', () => preflight.heard() !== '' && behind.heard() !== '');
  t.match(preflight.heard(), /^HTTP\/1\.1 204 /);
  t.match(behind.heard(), /^HTTP\/1\.1 200 /);
  node.proc.kill('SIGTERM');
  t.equal(await node.exited, 0, node.logs().join('\n'));
});

t.test(
  'a Redis that hangs does not hold up a drain',
  onlyOn('one', 'it freezes the one server'),
  async (t) => {
    const redis = await startRedis(t);
    const [node] = (await startNodes(t, 1, { ...redis.env, DRAIN_MS: '0', AGENT: 'echo' })) as [TestNode];
    talkTo(
      t,
      node,
      'POST /api/v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    );
    const room = await createRoom(node);
    const socket = connect(`${node.wsUrl}/api/v1/ws/${room}/ann`, { t });
    await socket.opened;
    redis.pause();
    socket.send({ type: 'text', content: 'to nobody' });
    node.proc.kill('SIGTERM');
    t.equal(await node.exited, 0, node.logs().join('\n'));
    t.match(node.logs().join('\n'), /"step":"redis","msg":"a step of the drain was given up"/);
    redis.resume();
  },
);

t.test('a process that is just starting', async (t) => {
  const redis = await startAnyRedis(t);
  // As soon as there is a handler: in a container a signal that comes before is lost.
  const impatient =
    'process.on("newListener", (name) => { if (name === "SIGTERM") setImmediate(() => process.kill(process.pid, name)); })';
  const node = startWith(t, impatient, redis.env);
  t.equal(await node.exited, 0);
  t.notMatch(node.logs().join('\n'), /listening|draining/, 'before there was anything to drain');
});

t.test('an exception that nobody catches', async (t) => {
  const redis = await startAnyRedis(t);
  const faulty =
    'process.on("newListener", (name) => { if (name === "uncaughtException") setImmediate(() => { throw new Error("out of nowhere"); }); })';
  const node = startWith(t, faulty, redis.env);
  t.equal(await node.exited, 2, 'ends a node as a fault of ours');
  t.match(node.logs().join('\n'), /"level":60.*"message":"out of nowhere".*"msg":"uncaught exception"/);
});

/** A node that runs `code` before its program, and nothing else: not what a test runner brings into its children either. */
function startWith(t: Owner, code: string, redis: Record<string, string>): Program {
  const env = { PATH: process.env.PATH, ...redis, PORT: '0', JWT_SECRET: TEST_SECRET };
  const before = `--import=data:text/javascript,${encodeURIComponent(code)}`;
  const command = ['-c', 'NODE_OPTIONS=$0 exec "$@"', before, process.execPath, NODE_MAIN];
  return startProgram(t, 'a node', '/bin/sh', command, { env });
}
