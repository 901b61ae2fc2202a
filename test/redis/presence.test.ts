import calculateSlot from 'cluster-key-slot';
import t from 'tap';
import type { PresenceEvent } from '../../src/core/model.js';
import { decodeEvents } from '../../src/redis/events.js';
import { channels, encodeId, keys, roomPartition, userPartition } from '../../src/redis/keys.js';
import { Registrar } from '../../src/redis/registrar.js';
import { runScript, scripts } from '../../src/redis/scripts.js';
import { redisSide } from '../helpers/hub.js';
import { startProxy } from '../helpers/proxy.js';
import { clientOf, startRedis } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { rng } from '../helpers/rng.js';
import { OWN_SERVERS, startAnyRedis } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

t.test('counting who is where', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const listener = clientOf(t, server, 'subscriptions');
  listener.setMaxListeners(100); // one for each room
  let rooms = 0;

  /** A room, what happens in it, and what was published there. */
  const newRoom = async (limit = 0) => {
    rooms += 1;
    const room = rooms;
    const heard: string[] = [];
    let marks = 0;
    listener.on('smessage', (channel: string, payload: string) => {
      if (channel !== channels.room(room)) return;
      if (payload === 'mark') marks += 1;
      else
        for (const event of decodeEvents(room, payload) as PresenceEvent[])
          heard.push(`${event.user} ${event.change}`);
    });
    await listener.ssubscribe(channels.room(room));
    const touched = (node: string) => [keys.here(room), keys.nodeEntries(roomPartition(room), node)];
    const enter = (node: string, user: string) =>
      runScript(redis, scripts.enter, touched(node), [
        encodeId(user),
        node,
        room,
        channels.room(room),
        limit,
      ]) as Promise<number>;
    const leave = (node: string, ...users: string[]) =>
      runScript(redis, scripts.leave, touched(node), [
        node,
        room,
        channels.room(room),
        limit,
        ...users.map(encodeId),
      ]) as Promise<number>;
    const said = async () => {
      const due = marks + 1;
      await redis.spublish(channels.room(room), 'mark');
      await until('the mark', () => marks >= due);
      return heard.splice(0);
    };
    return {
      room,
      enter,
      leave,
      said,
      here: () => redis.hgetall(keys.here(room)),
      entries: (node: string) => redis.smembers(keys.nodeEntries(roomPartition(room), node)),
    };
  };

  t.test('entering twice is entering once, and so is leaving', async (t) => {
    const { room, enter, leave, said, here, entries } = await newRoom();
    t.equal(await enter('a', 'ann'), 1);
    t.equal(await enter('a', 'ann'), 1);
    t.strictSame(await said(), ['ann joined']);
    t.strictSame(await here(), { 'ann|a': '1', '|a': '1', ann: '1', '#': '1' });
    t.strictSame(await entries('a'), [`r${room}`], 'the node says where it counts');
    t.equal(await leave('a', 'ann'), 0);
    t.equal(await leave('a', 'ann'), 0);
    t.strictSame(await said(), ['ann left']);
    t.strictSame(await here(), {}, 'nothing is left behind');
    t.strictSame(await entries('a'), []);
  });

  t.test('somebody on two nodes joins with the first and leaves with the last', async (t) => {
    const { enter, leave, said } = await newRoom();
    await enter('a', 'ann');
    await enter('b', 'ann');
    t.strictSame(await said(), ['ann joined']);
    t.equal(await leave('a', 'ann'), 1);
    t.strictSame(await said(), []);
    await leave('b', 'ann');
    t.strictSame(await said(), ['ann left']);
  });

  t.test('a node that is gone is cleared of everybody, once', async (t) => {
    const { enter, leave, said, here, entries } = await newRoom();
    for (const user of ['ann', 'x|a', 'é:{b}']) await enter('a', user);
    await enter('b', 'ann');
    await enter('aa', 'eve');
    await said();
    t.equal(await leave('a'), 2);
    t.strictSame(
      (await said()).sort(),
      ['x|a left', 'é:{b} left'],
      'who is elsewhere too stays, and nobody of a node of a similar name goes',
    );
    t.strictSame(await here(), {
      'ann|b': '1',
      '|b': '1',
      ann: '1',
      'eve|aa': '1',
      '|aa': '1',
      eve: '1',
      '#': '2',
    });
    t.strictSame(await entries('a'), []);
    t.equal(await leave('a'), 2, 'a second time changes nothing');
    t.strictSame(await said(), []);
  });

  t.test('in a crowd nobody is announced', async (t) => {
    const { enter, leave, said } = await newRoom(3);
    for (const user of ['1', '2', '3', '4', '5']) await enter('a', user);
    t.strictSame(await said(), ['1 joined', '2 joined', '3 joined']);
    for (const user of ['5', '4', '3', '2', '1']) await leave('a', user);
    t.strictSame(await said(), ['3 left', '2 left', '1 left']);
  });

  t.test('any order of comings and goings counts as sets would', async (t) => {
    const random = rng(7);
    const nodes = ['a', 'b', 'c'];
    const users = ['1', '2', '3', '4'];
    for (let round = 0; round < 20; round += 1) {
      const { enter, leave, said, here } = await newRoom();
      const present = new Set<string>();
      const people = () => new Set([...present].map((pair) => pair.split('|')[0]));
      const expected: string[] = [];
      for (let step = 0; step < 60; step += 1) {
        const [node, user] = [random.pick(nodes), random.pick(users)];
        const before = people();
        const way = random.int(10);
        if (way < 5) {
          present.add(`${user}|${node}`);
          await enter(node, user);
        } else if (way < 9) {
          present.delete(`${user}|${node}`);
          await leave(node, user);
        } else {
          for (const one of users) present.delete(`${one}|${node}`);
          await leave(node);
        }
        const after = people();
        for (const one of users) {
          if (after.has(one) && !before.has(one)) expected.push(`${one} joined`);
          if (!after.has(one) && before.has(one)) expected.push(`${one} left`);
        }
      }
      const heard = await said();
      // Who leaves together with a node does so in no order.
      t.strictSame([...heard].sort(), expected.sort(), `round ${round}`);
      const state = await here();
      t.strictSame(new Set(Object.keys(state).filter((name) => /^\d\|/.test(name))), present);
      t.equal(Number(state['#'] ?? 0), people().size);
    }
  });

  t.test('online: by node, idempotent, and the last sign of life never goes back', async (t) => {
    const set = (node: string, on: boolean, at: number | '' = '') =>
      runScript(
        redis,
        scripts.online,
        [keys.userOnline('u'), keys.user('u'), keys.nodeEntries(userPartition('u'), node)],
        [node, 'u', on ? '1' : '0', at],
      );
    const entries = (node: string) => redis.smembers(keys.nodeEntries(userPartition('u'), node));
    t.equal(await set('a', true), 1);
    t.equal(await set('a', true), 1);
    t.equal(await set('b', true), 2);
    t.strictSame(await entries('a'), ['uu']);
    const seen = Number(await redis.hget(keys.user('u'), 'seen'));
    t.equal(await set('a', false, seen - 60_000), 1);
    t.equal(Number(await redis.hget(keys.user('u'), 'seen')), seen);
    t.equal(await set('b', false, seen + 5), 0);
    t.equal(await set('b', false, seen), 0);
    t.equal(Number(await redis.hget(keys.user('u'), 'seen')), seen + 5);
    t.strictSame(await entries('a'), []);
  });

  t.test('a lease that ran out is not renewed, but a new one is given', async (t) => {
    const renew = (node: string, ms: number, first = false) =>
      runScript(redis, scripts.renewLease, [keys.nodes], [node, ms, first ? '1' : '0']);
    t.equal(await renew('a', 60_000), 0, 'never had one');
    t.equal(await renew('a', 60_000, true), 1);
    t.equal(await renew('a', 60_000), 1);
    await redis.zadd(keys.nodes, '1', 'a');
    t.equal(await renew('a', 60_000), 0);
    t.equal(await redis.zscore(keys.nodes, 'a'), '1', 'and nothing was written');
    t.equal(await renew('a.2', 60_000, true), 1);
  });

  t.test('a lease is ended by who saw it run out, unless it was given again since', async (t) => {
    const end = (node: string, deadline: string) =>
      runScript(redis, scripts.endLease, [keys.nodes], [node, deadline]);
    await redis.zadd(keys.nodes, '1763710000123', 'c');
    t.equal(await end('c', '1763710000122'), 0);
    t.equal(await redis.zscore(keys.nodes, 'c'), '1763710000123');
    t.equal(await end('c', '1763710000123'), 1);
    t.equal(await redis.zscore(keys.nodes, 'c'), null);
    t.equal(await end('c', '1763710000123'), 0);
  });
});

t.test('nothing is written before there is a lease, nor when it is over', async (t) => {
  const written: string[] = [];
  const registrar = new Registrar();
  t.teardown(() => registrar.close());
  const add = (name: string) =>
    registrar.add(name, () => ({ apply: async (present) => void written.push(`${name} ${present}`) }));
  add('a');
  t.strictSame(written, []);
  registrar.writeUntil(performance.now() + 60_000);
  t.strictSame(written, ['a true']);
  await sleep(0);
  registrar.writeUntil(performance.now() - 1);
  add('b');
  registrar.remove('a', 0);
  registrar.repeatAll();
  await sleep(0);
  t.strictSame(written, ['a true']);
  registrar.writeUntil(performance.now() + 60_000);
  t.strictSame(written.slice(1).sort(), ['a false', 'b true']);
});

t.test('a node that was taken for dead', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const here = () => redis.hgetall(keys.here(1));

  /** Somebody in room 1 on a node behind a proxy. */
  const begin = async () => {
    const proxy = await startProxy(t, server.port);
    const before = await redis.zrange(keys.nodes, '0', '-1');
    const side = redisSide(t, { target: { ...server.target, urls: [proxy.url] }, env: {} });
    side.presence.start();
    side.presence.enter(1, 'ann');
    const entered = async () => Object.keys(await here()).find((name) => name.startsWith('ann|'));
    const node = (await until('she is there', entered)).slice('ann|'.length);
    t.notOk(before.includes(node));
    return { proxy, presence: side.presence, node };
  };
  /** Who has a lease beside `node`. */
  const others = async (node: string) =>
    (await redis.zrange(keys.nodes, '0', '-1')).filter((name) => name !== node);
  const onlyOn = (node: string) => ({ [`ann|${node}`]: '1', [`|${node}`]: '1', ann: '1', '#': '1' });

  t.test('when it is cut off it writes nothing under the name that was cleaned up', async (t) => {
    const { proxy, presence, node } = await begin();
    proxy.rule = () => 'cut';
    for (const passage of proxy.open) passage.cut();
    // As the survivors do.
    const touched = [keys.here(1), keys.nodeEntries(roomPartition(1), node)];
    await runScript(redis, scripts.leave, touched, [node, 1, channels.room(1), 0]);
    await redis.zrem(keys.nodes, node);
    t.strictSame(await here(), {});
    proxy.rule = () => 'pass';
    await until('she is there again', async () => (await here()).ann, 20_000);
    await until('the node has another name', () => presence.leasesLost === 1, 20_000);
    const [name = ''] = await until('it has a lease', async () => {
      const found = await others(node);
      return found.length > 0 && found;
    });
    await until('she is there under it', async () => (await here())[`ann|${name}`]);
    t.strictSame(await here(), onlyOn(name));
    presence.leave(1, 'ann', 0);
    await until('nobody is left', async () => Object.keys(await here()).length === 0);
    await presence.close(0);
  });

  t.test('what it wrote under its old name is cleaned up though the lease was lost', async (t) => {
    await redis.del(keys.nodes);
    const { presence, node } = await begin();
    await redis.del(keys.nodes);
    await until('the node has another name', () => presence.leasesLost === 1, 20_000);
    const [name = ''] = await until('it has a lease', async () => {
      const found = await others(node);
      return found.length > 0 && found;
    });
    await until('only that is left', async () => !(`ann|${node}` in (await here())), 30_000, 100);
    t.strictSame(await here(), onlyOn(name));
    await until('the old one is over', async () => (await redis.zscore(keys.nodes, node)) === null);
  });
});

t.test('leases are compared with the clock of the primary that has them', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t);
  const side = redisSide(t, cluster);
  side.presence.start();
  side.presence.online('ann');
  const isOnline = async () => (await side.presence.status('ann'))?.online;
  await until('she is online', isOnline);
  const leases = await cluster.primaryOf(calculateSlot(keys.nodes));
  const clocksAsked = async () => {
    const others = cluster.servers.filter((server) => server !== leases);
    const stats = await Promise.all(others.map((server) => server.ask('INFO commandstats')));
    return stats.map((text) => Number(/cmdstat_time:calls=(\d+)/.exec(text)?.[1] ?? 0));
  };
  // From here on nobody writes: that too asks what time it is, where the user is. The reads go behind the last write.
  await side.presence.close(60_000);
  for (let i = 0; i < 2; i += 1) t.ok(await isOnline());
  const before = await clocksAsked();
  for (let i = 0; i < 60; i += 1) t.ok(await isOnline());
  t.same(await clocksAsked(), before, 'nobody else was asked what time it is');
});
