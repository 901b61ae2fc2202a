/** DURABILITY=durable: nothing is acknowledged before it is as safe as that promises. */

import t from 'tap';
import { history } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { startNode } from '../helpers/node.js';
import { serverWithWaitAof, startRedis, TESTED } from '../helpers/redis.js';
import { open } from '../helpers/socket.js';
import { OWN_SERVERS, onlyOn } from '../helpers/topology.js';
import { startUnfit } from '../helpers/unfit.js';
import { until } from '../helpers/wait.js';

const ONE = onlyOn('one', 'what one Redis and its disk promise');
const OLD = { skip: ONE.skip || (serverWithWaitAof() === TESTED && 'this Redis has WAITAOF') };
const DURABLE = { ROOMS_AUTH: 'trusted', DURABILITY: 'durable' };

async function makeRoom(url: string): Promise<string> {
  const { body } = await request<{ id: string }>('POST', `${url}/api/v1/rooms`, { body: { name: 'room' } });
  return body.id;
}

t.test('a single old Redis that syncs every second is refused at start, in words', OLD, async (t) => {
  const redis = await startRedis(t, { aof: 'everysec' });
  const { code, out } = await startUnfit({ ...DURABLE, REDIS_URL: redis.url });
  t.equal(code, 1);
  t.match(out, /appendfsync always/);
});

t.test(
  'a single Redis that syncs always survives kill -9 with every acknowledged message',
  ONE,
  async (t) => {
    const redis = await startRedis(t, { aof: 'always' });
    const node = await startNode(t, { ...DURABLE, REDIS_URL: redis.url, SOCKET_RATE: '0' });
    const room = await makeRoom(node.url);
    const socket = await open(`${node.wsUrl}/api/v1/ws/${room}/ada`, { t });
    const acknowledged = new Set<string>();
    for (let i = 0; i < 200; i += 1) socket.send({ type: 'text', content: `m${i}`, ref: `r${i}` });
    while (acknowledged.size < 100) acknowledged.add((await socket.nextOf('text')).content as string);
    await redis.kill9();
    await redis.restart();
    // It may have been ready all the time, and still have to find its Redis again.
    const log = await until('the node has it back', () => history(node, room));
    const stored = log.map((message) => message.content);
    t.equal(new Set(stored).size, stored.length, 'nothing twice');
    t.same(
      [...acknowledged].filter((content) => !stored.includes(content)),
      [],
      'nothing acknowledged is missing',
    );
  },
);

t.test(
  'a send that no replica confirms is in doubt, never acknowledged, and shows up in its place',
  OWN_SERVERS,
  async (t) => {
    const primary = await startRedis(t, { aof: 'always' });
    const settings = { replicaof: `127.0.0.1 ${primary.port}` };
    const replica = await startRedis(t, { aof: 'always', settings });
    await until('the replica is in step', async () =>
      (await replica.ask('INFO replication')).includes('master_link_status:up'),
    );
    const env = { ...DURABLE, REDIS_URL: primary.url, WAIT_REPLICAS: '1', WAIT_TIMEOUT: '1500' };
    const node = await startNode(t, env);
    // A replica that has only just come confirms nothing before its append-only file is there.
    const room = await until('a room is made', () => makeRoom(node.url));
    const ada = await open(`${node.wsUrl}/api/v1/ws/${room}/ada`, { t });
    const bob = await open(`${node.wsUrl}/api/v1/ws/${room}/bob`, { t });
    await bob.nextOf('history');
    ada.send({ type: 'text', content: 'safe', ref: 'one' });
    t.match(await ada.nextOf('text'), { content: 'safe', ref: 'one' });

    replica.pause();
    ada.send({ type: 'text', content: 'doubtful', ref: 'two' });
    const error = await ada.nextOf('error');
    t.match(error, { ref: 'two', detail: /may or may not/ });
    const late = await ada.nextOf('text');
    t.equal(late.content, 'doubtful', 'it is in the log, and comes as any message does');
    t.notOk('ref' in late, 'but nothing acknowledges it');
    const posted = await request('POST', `${node.url}/api/v1/rooms/${room}/messages`, {
      body: { content: 'by HTTP', user_id: 'ada', type: 'text' },
    });
    t.equal(posted.status, 503);

    replica.resume();
    // Sent again until the replica has caught up.
    const answer = await until('it is acknowledged', async () => {
      ada.send({ type: 'text', content: 'doubtful', ref: 'two' });
      const frame = await ada.next(({ ref }) => ref === 'two');
      return frame.type === 'text' && frame;
    });
    t.match(answer, { content: 'doubtful', id: late.id });
    t.equal((await bob.nextOf('text')).content, 'safe');
    t.equal((await bob.nextOf('text')).content, 'doubtful', 'others may see it sooner, once');
    t.equal((await bob.nextOf('text')).content, 'by HTTP');
  },
);
