/** The chats document: who is online, and when somebody was last seen, over two nodes. */

import t from 'tap';
import { SECONDS, type Status, startChats } from '../helpers/chats.js';
import { request } from '../helpers/http.js';
import { open } from '../helpers/socket.js';
import { someone, statusAt, untilOnline, watcher } from '../helpers/status.js';
import { sleep, until } from '../helpers/wait.js';

/** For how long somebody who was cut off is awaited. */
const RETURN_MS = 10_000;

t.test('activity without a socket: offline, with the time; never active: no status', async (t) => {
  const pair = await startChats(t, { ROOMS_AUTH: 'trusted' });
  const node = pair.next();
  const before = Math.floor(Date.now() / 1_000) * 1_000;
  const ann = await pair.person();
  const registered = await request<{ id: string }>('POST', `${node.url}/api/v1/users`, {
    body: { username: 'reg' },
  });
  for (const id of [ann.id, registered.body.id]) {
    const status = await until(`${id} has a status`, async () => {
      const answer = await pair.api<Status>('GET', `/users/${id}/status/`, { token: watcher });
      return answer.status === 200 && answer.body;
    });
    t.same(Object.keys(status).sort(), ['is_online', 'last_seen']);
    t.equal(status.is_online, false);
    t.match(status.last_seen, SECONDS);
    const seen = Date.parse(status.last_seen);
    t.ok(seen >= before && seen <= Date.now(), `${status.last_seen} is when it was`);
  }

  // Whoever is named without a token becomes known, and has done nothing themselves.
  const room = await request<{ id: string }>('POST', `${node.url}/api/v1/rooms`, { body: { name: 'all' } });
  const body = { user_id: 'ghost', content: 'boo', type: 'text' };
  await request('POST', `${node.url}/api/v1/rooms/${room.body.id}/messages`, { body });
  t.equal((await request('GET', `${node.url}/api/v1/users/ghost`)).status, 200);
  const answer = await pair.api('GET', '/users/ghost/status/', { token: watcher });
  t.same([answer.status, Object.keys(answer.body)], [404, ['detail']]);

  const [a, b] = pair.nodes;
  const socket = await open(`${a.wsUrl}/api/v1/ws/${room.body.id}/ghost`, { t });
  await untilOnline([a, b], 'ghost', true);
  await socket.close();
  await untilOnline([a, b], 'ghost', false);
});

t.test('online while any socket is open on any node; a clean close counts at once', async (t) => {
  const pair = await startChats(t);
  const [a, b] = pair.nodes;
  const { id, join } = await someone(pair, t);
  const first = await join(a);
  await untilOnline([a, b], id, true);
  const asked = Math.floor(Date.now() / 1_000) * 1_000;
  const now = Date.parse((await statusAt(b, id)).last_seen);
  t.ok(now >= asked && now <= Date.now(), 'seen now');
  const [second, third] = [await join(b), await join(b)];
  await first.close();
  await second.close(3_000);
  await sleep(500);
  for (const node of pair.nodes) t.equal((await statusAt(node, id)).is_online, true);
  const before = Math.floor(Date.now() / 1_000) * 1_000;
  await third.close();
  await untilOnline([a, b], id, false);
  const seen = Date.parse((await statusAt(a, id)).last_seen);
  t.ok(seen >= before && seen <= Date.now());
});

t.test('who is cut off and back within 10 s never shows; who is not, does', async (t) => {
  const pair = await startChats(t);
  const [a, b] = pair.nodes;
  const [back, same, two, gone] = [
    await someone(pair, t),
    await someone(pair, t),
    await someone(pair, t),
    await someone(pair, t),
  ];
  const sockets = [await back.join(a), await same.join(b), await two.join(a), await gone.join(b)];
  const tidy = await two.join(a);
  for (const { id } of [back, same, two, gone]) await untilOnline([a, b], id, true);
  const cut = performance.now();
  for (const socket of sockets) socket.terminate();
  await sleep(200);
  await tidy.close();

  const shown = new Set<string>();
  const watch = async () => {
    for (const { id } of [back, same, two]) {
      for (const node of pair.nodes) if (!(await statusAt(node, id)).is_online) shown.add(id);
    }
  };
  while (performance.now() - cut < RETURN_MS - 6_000) await watch();
  await Promise.all([back.join(b), same.join(b), two.join(a)]);
  while (performance.now() - cut < RETURN_MS + 4_000) await watch();
  t.same([...shown], []);
  await untilOnline([a, b], gone.id, false);
});
