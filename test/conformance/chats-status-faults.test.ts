/** The chats document: who is online when nodes die and Redis goes away. */

import t from 'tap';
import { LEASE_MS } from '../../src/redis/presence.js';
import { startChats } from '../helpers/chats.js';
import { startNode } from '../helpers/node.js';
import { someone, statusAt, untilOnline } from '../helpers/status.js';
import { sleep, until } from '../helpers/wait.js';

/** Within this a dead node stops counting. */
const DEAD_NODE_MS = 15_000;
/** Within this a living node has given a sign of life, however busy the machine; and times are shown in whole seconds. */
const LAST_SIGN_MS = LEASE_MS + 1_000;

t.test('a node that is killed stops counting within 15 s, without hurry or help', async (t) => {
  const pair = await startChats(t);
  const [a, b] = pair.nodes;
  const [lost, kept] = [await someone(pair, t), await someone(pair, t)];
  await Promise.all([lost.join(a), kept.join(a), kept.join(b)]);
  for (const { id } of [lost, kept]) await untilOnline([a, b], id, true);
  await sleep(1_000);
  const alive = Date.now();
  await a.kill9();
  const killed = Date.now();
  await untilOnline([b], lost.id, false, DEAD_NODE_MS);
  const seen = Date.parse((await statusAt(b, lost.id)).last_seen);
  t.ok(seen >= alive - LAST_SIGN_MS && seen <= killed, `${seen - killed} ms: its last sign of life`);
  t.equal((await statusAt(b, kept.id)).is_online, true, 'who has a socket elsewhere stays');

  // Nobody was left to clean up after this one; the next to come knows all the same.
  const stillAlive = Date.now();
  await b.kill9();
  const again = Date.now();
  await sleep(DEAD_NODE_MS - 5_000);
  const c = await startNode(t, pair.redis.env);
  const status = await statusAt(c, kept.id);
  t.equal(status.is_online, false);
  const last = Date.parse(status.last_seen);
  t.ok(last >= stillAlive - LAST_SIGN_MS && last <= again, `${last - again} ms`);
  const returned = await kept.join(c);
  await untilOnline([c], kept.id, true);
  await returned.close();
  await untilOnline([c], kept.id, false);
});

t.test('while Redis is away and just after, nobody goes offline for it', async (t) => {
  const pair = await startChats(t);
  const { id, join } = await someone(pair, t);
  const [a, b] = pair.nodes;
  await join(a);
  await untilOnline([a, b], id, true);
  await pair.redis.askAll('SAVE');
  await pair.redis.stop();
  // Longer than a lease: all leases have run out when it is back.
  await sleep(10_000);
  await pair.redis.restart();
  const answers: boolean[] = [];
  await until(
    'Redis answers through both nodes, for a while',
    async () => {
      for (const node of pair.nodes) {
        const { is_online } = await statusAt(node, id);
        if (is_online !== undefined) answers.push(is_online);
      }
      return answers.length >= 100;
    },
    30_000,
    50,
  );
  t.notOk(answers.includes(false), 'never shown as offline');
});
