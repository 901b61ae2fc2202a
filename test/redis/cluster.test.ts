import { Cluster, Redis } from 'ioredis';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import { buildAppend, type PendingAppend } from '../../src/redis/batch.js';
import { COMMAND_DEADLINE_MS } from '../../src/redis/connection.js';
import { channels, keys, PARTITIONS, partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { runScript, scripts } from '../../src/redis/scripts.js';
import { createRooms, faultsIn, history, received, socketUrl, startNodes } from '../helpers/chat.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { open } from '../helpers/socket.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const PRIMARIES = 3;
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

t.test('on a cluster of three primaries', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, { primaries: PRIMARIES, aof: 'always' });
  const client = new Cluster(cluster.seeds);
  t.teardown(() => client.disconnect());
  const primaryOf = (room: number) => client.slots[partitionSlot(roomPartition(room))]?.[0];
  await until('the slots are known', () => client.slots[0] !== undefined);

  t.test('the scripts of a room run in every partition, with slots checked', async (t) => {
    const rooms = upTo(PARTITIONS).map((n) => 1_000 + n);
    t.equal(new Set(rooms.map(roomPartition)).size, PARTITIONS);
    for (const room of rooms) {
      await runScript(client, scripts.createRoom, [keys.room(room)], ['public', 'a room', '[]']);
      const enter = [keys.here(room), keys.nodeEntries(roomPartition(room), 'node')];
      await runScript(client, scripts.enter, enter, ['user', 'node', room, channels.room(room), 0]);
      await runScript(client, scripts.leave, enter, ['node', room, channels.room(room), 0]);
      await runScript(client, scripts.recent, [keys.recent(roomPartition(room))], [60_000]);
    }
    const foreign = keys.here((rooms[0] as number) + 1);
    const own = rooms[0] as number;
    await t.rejects(
      runScript(
        client,
        scripts.enter,
        [keys.here(own), keys.nodeEntries(roomPartition(own), 'n')],
        ['u', 'n', own, channels.room(own + 1), 0],
      ),
      /slot|non local/,
      'a channel of another slot is refused',
    );
    await t.rejects(
      runScript(client, scripts.enter, [keys.here(own), foreign], ['u', 'n', own, channels.room(own), 0]),
      /slot|CROSSSLOT|non local/,
      'and a key of one',
    );
  });

  t.test('an append in a slot that moves is done whole or not at all', async (t) => {
    const id = 2_001;
    const slot = partitionSlot(roomPartition(id));
    const from = await cluster.primaryOf(slot);
    const to = cluster.servers.find((server) => server !== from);
    const redis = new Redis(from.url);
    t.teardown(() => redis.disconnect());
    const made = await runScript(redis, scripts.createRoom, [keys.room(id)], ['public', 'a room', '[]']);
    const room = { id, kind: 'public', name: '', createdMs: Number(made), participants: [] } as const;
    const append = (key?: string) => {
      const draft = draftOf(room, { key });
      const { keys: touched, args } = buildAppend(
        [{ draft, join: () => true } as unknown as PendingAppend],
        0,
      );
      return runScript(redis, scripts.append, touched, args);
    };
    await append();
    await redis.call(
      'CLUSTER',
      'SETSLOT',
      slot,
      'MIGRATING',
      (await to?.ask('CLUSTER MYID'))?.match(/\w{40}/)?.[0] ?? '',
    );
    // What is not here may be there already.
    for (const gone of [keys.read(id), keys.members(id), keys.recent(roomPartition(id))]) {
      await redis.del(gone);
      await t.rejects(append('key'), /^(ReplyError: )?(TRYAGAIN|ASK)/, gone);
      t.equal(await redis.xlen(keys.log(id)), 1, 'nothing was written');
    }
    await redis.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    t.match(await append('key'), [1, 2], 'afterwards it goes on');
  });

  t.test('appends reach the rooms of every primary, in order', async (t) => {
    const side = redisSide(t, cluster);
    const rooms: Room[] = [];
    for (let i = 0; i < 264; i += 1) {
      const room = await side.rooms.createPublic(`room ${i}`);
      if (i % 11 === 0) rooms.push(room);
    }
    t.equal(new Set(rooms.map(({ id }) => primaryOf(id))).size, PRIMARIES, 'the rooms lie on all of them');
    const draft = (room: Room, text: string) => draftOf(room, { text });
    const answers = await Promise.all(
      upTo(50).flatMap((n) => rooms.map((room) => side.log.append(draft(room, String(n))))),
    );
    t.ok(answers.every(({ repeated }) => !repeated));
    for (const room of rooms) {
      const log = await side.log.readAfter(room.id, 0, 1_000);
      if (log.map(({ offset }) => offset).join() !== upTo(50).join()) t.fail(`room ${room.id} is not dense`);
      if (log.map(({ text }) => text).join() !== upTo(50).join()) t.fail(`room ${room.id} is out of order`);
    }
    const tips = await side.log.tips(rooms.map(({ id }) => id));
    t.strictSame(new Set(tips.map(({ offset }) => offset)), new Set([50]));
    const recent = await side.log.recentlyAppended(new Set(rooms.map(({ id }) => id)));
    t.equal(recent.size, rooms.length, 'the index of recent appends has them all');
  });

  t.test('two nodes serve rooms of every primary', async (t) => {
    const nodes = await startNodes(t, 2, cluster.env);
    const [a, b] = nodes as [TestNode, TestNode];
    const rooms = (await createRooms(a, 256)).filter((_, i) => i % 22 === 0);
    t.equal(new Set(rooms.map((room) => primaryOf(Number(room)))).size, PRIMARIES);
    const members = await Promise.all(
      rooms.flatMap((room) =>
        [0, 1].map((i) => Member.join(t, { nodes: [nodes[i] as TestNode], room, user: `user-${i}` })),
      ),
    );
    for (let i = 0; i < 20; i += 1)
      for (const member of members) member.send(`${i} of ${member.user} in ${member.room}`);
    await until('all have all', () => members.every(({ seen }) => seen.length === 40), 30_000);
    t.strictSame(
      members.flatMap(({ faults, errors }) => [...faults, ...errors]),
      [],
    );
    for (const room of rooms) {
      const stored = await history(b, room);
      if (stored.length !== 40 || faultsIn(stored, 1).length > 0) t.fail(`room ${room} is not whole`);
    }

    // A message that is late is read from the log too; what is announced comes live or never.
    const announced = (words: string) => () => members.every((one) => one.announced.includes(words));
    const guests = await Promise.all(rooms.map((room) => open(socketUrl(b, room, 'guest'), { t })));
    await until('they joined, at both nodes', announced('User guest joined the chat'), 20_000);
    for (const guest of guests) {
      await guest.nextOf('history', 20_000);
      t.equal(received(guest).length, 40);
      await guest.close(1000, 20_000);
    }
    await until('they left', announced('User guest left the chat'), 20_000);
  });

  t.test('a primary that is killed and comes back', async (t) => {
    const nodes = await startNodes(t, 2, cluster.env);
    const rooms = (await createRooms(nodes[0] as TestNode, 256)).filter((_, i) => i % 32 === 0);
    const members = await Promise.all(
      rooms.flatMap((room) =>
        [0, 1].map((i) =>
          Member.join(t, { nodes: [nodes[i] as TestNode], room, user: `user-${i}`, returns: false }),
        ),
      ),
    );
    await Promise.all(members.map((member) => member.sendUntilAcknowledged(`${member.user} before`)));
    const victim = await cluster.primaryOf(partitionSlot(roomPartition(Number(rooms[0]))));
    // As if that lacked its last second: nobody but the nodes knows who is there.
    const here = keys.here(Number(rooms[0]));
    const bothHere = async () => (await client.hget(here, '#')) === '2';
    await until('the nodes have said who is there', bothHere, 20_000);
    t.equal(await client.del(here), 1);
    await victim.kill9();
    await victim.restart(); // on its append-only file
    await Promise.all(members.map((member) => member.sendUntilAcknowledged(`${member.user} after`, 60_000)));
    await until('all have all', () => members.every(({ seen }) => seen.length === 4), 30_000);
    t.strictSame(
      members.flatMap(({ faults }) => faults),
      [],
    );
    t.ok(
      members.every(({ open, resets }) => open && resets === 0),
      'nobody had to reconnect',
    );
    for (const node of nodes) await until('it is ready', () => isReady(node.url), 30_000, 100);
    await until('they say again who is there', bothHere, 30_000);
    for (let i = 0; i < 5; i += 1)
      await Promise.all(members.map((member) => member.sendUntilAcknowledged(`${member.user} later ${i}`)));
    await until('all have all', () => members.every(({ seen }) => seen.length === 14), 30_000);
    t.strictSame(
      members.flatMap(({ faults }) => faults),
      [],
    );
  });

  t.test(
    'all of it away: what is asked fails in time, later at once, and is not done afterwards',
    async (t) => {
      const side = redisSide(t, cluster);
      const last = await side.rooms.createPublic('the last');
      await Promise.all(cluster.servers.map((server) => server.kill9()));
      const failsWithin = async (ms: number) => {
        const start = performance.now();
        const error = await side.rooms.createPublic('never').then(
          () => undefined,
          ({ code }) => code,
        );
        t.equal(error, 'unavailable');
        return performance.now() - start < ms;
      };
      t.ok(await failsWithin(COMMAND_DEADLINE_MS + 5_000), 'the first within its deadline');
      await until('later ones fail at once', () => failsWithin(200), 30_000);
      await Promise.all(cluster.servers.map((server) => server.restart()));
      // Asked by reading: a room that fails while only some of the primaries are back takes a number all the same.
      const everywhere = () => side.rooms.heads(upTo(PARTITIONS)).then(() => true);
      await until('all of it answers again', everywhere, 60_000, 100);
      const next = await side.rooms.createPublic('the next');
      t.equal(next.id, last.id + 1, 'nothing was left over');
    },
  );
});
