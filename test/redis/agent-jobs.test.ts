/** What awaits the agent, on one Redis and on a cluster. */

import t, { type Test } from 'tap';
import { answerVia } from '../../src/core/agent.js';
import { AGENT_USER } from '../../src/core/ids.js';
import type { Room } from '../../src/core/model.js';
import type { Draft } from '../../src/core/ports.js';
import { RedisAgentJobs } from '../../src/redis/jobs.js';
import { keys, PARTITIONS, partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import type { RedisPlace } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS, startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const draft = (room: Room, sender: string, text: string, more: Partial<Draft> = {}) =>
  draftOf(room, { sender, text, ...more });
const answer = (room: Room, question: number) =>
  draft(room, AGENT_USER, 'an answer', { via: answerVia(question), key: answerVia(question) });

async function suite(t: Test, redis: RedisPlace): Promise<void> {
  const side = redisSide(t, redis);
  const jobs = side.agentJobs;
  /** Jobs as another node has them. */
  const otherNode = (t: Test, name: string) => {
    const reader = redisSide(t, redis).commands;
    return new RedisAgentJobs(side.commands, () => reader, name);
  };
  const waiting = async () => {
    const counts = Array.from({ length: PARTITIONS }, (_, p) => side.commands.zcard(keys.agentPending(p)));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };

  t.test('a question is pending until its answer is stored, and nothing else is', async (t) => {
    const room = await side.rooms.createAgent('ann');
    t.equal(await jobs.next(room.id), undefined);
    for (const text of ['a', 'b', 'c']) await side.log.append(draft(room, 'ann', text));
    t.equal(await jobs.next(room.id), 1, 'the oldest first');
    await side.log.append(answer(room, 2));
    t.equal(await waiting(), 2);
    await side.log.append(answer(room, 1));
    t.equal(await jobs.next(room.id), 3);
    const again = await side.log.append(answer(room, 2));
    t.match(again, { repeated: true, offset: 4 }, 'an answer is stored once');
    await jobs.drop(room.id, 3);
    t.equal(await waiting(), 0);
    const direct = (await side.rooms.openDirect('ann', 'bob')).room;
    const open = await side.rooms.createPublic('open');
    for (const other of [direct, open]) await side.log.append(draft(other, 'ann', 'no question'));
    t.equal(await waiting(), 0, 'other rooms ask nobody');
  });

  t.test('questions beyond ten, and rooms beside each other in a partition, stay in order', async (t) => {
    const rooms: Room[] = [];
    while (rooms.length < 2) {
      const room = await side.rooms.createAgent('ann');
      if (rooms.every((one) => roomPartition(one.id) === roomPartition(room.id))) rooms.push(room);
      if (rooms.length === 1) await side.commands.incrby(keys.roomCounter, PARTITIONS - 1);
    }
    const [a, b] = rooms as [Room, Room];
    const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
    for (const n of numbers) for (const room of [b, a]) await side.log.append(draft(room, 'ann', `${n}`));
    for (const n of numbers) {
      for (const room of [a, b]) {
        t.equal(await jobs.next(room.id), n);
        await jobs.drop(room.id, n);
      }
    }
  });

  t.test('many at once: each question is pending once', async (t) => {
    const rooms = await Promise.all(Array.from({ length: 10 }, () => side.rooms.createAgent('ann')));
    const before = await waiting();
    await Promise.all(
      rooms.flatMap((room) =>
        Array.from({ length: 20 }, (_, i) => side.log.append(draft(room, 'ann', `${i}`))),
      ),
    );
    t.equal(await waiting(), before + 200);
    await Promise.all(
      rooms.flatMap((room) => Array.from({ length: 20 }, (_, i) => side.log.append(answer(room, i + 1)))),
    );
    t.equal(await waiting(), before);
  });

  t.test('one job goes to one node, and to another one when it is not done', async (t) => {
    const [a, b] = [otherNode(t, 'a'), otherNode(t, 'b')];
    await jobs.wake(7);
    const [first, second] = await Promise.all([a.take(5), b.take(5)]);
    const taken = [...first, ...second];
    t.match(taken, [{ room: 7, claimed: false }]);
    t.same(await b.takeOver(5), [], 'not within its time');
    const [job] = taken;
    if (!job) return;
    // As if its time had passed.
    await side.commands.call('XCLAIM', keys.agentJobs, 'agents', 'a', 0, job.id, 'IDLE', 10_000, 'JUSTID');
    t.match(await b.takeOver(5), [{ id: job.id, room: 7, claimed: true }]);
    t.same(await a.takeOver(5), [], 'it is in good hands again');
    await b.done(job);
    t.equal(await side.commands.xlen(keys.agentJobs), 0);
  });

  t.test('a room has one lease', async (t) => {
    const room = 7_777;
    t.equal(await jobs.hold(room, 'a'), true);
    t.equal(await jobs.hold(room, 'a'), true, 'prolonged');
    t.equal(await jobs.hold(room, 'b'), false);
    const left = await side.commands.pttl(keys.agentLease(room));
    t.ok(left > 0 && left <= 9_000, `${left} ms`);
    await jobs.release(room, 'b');
    t.equal(await jobs.hold(room, 'b'), false, 'nobody gives back what is not theirs');
    await jobs.release(room, 'a');
    t.equal(await jobs.hold(room, 'b'), true);
  });

  t.test('the sweep wakes for what nobody was woken for, once, and one node does it', async (t) => {
    const rooms = [await side.rooms.createAgent('ann'), await side.rooms.createAgent('ann')] as const;
    await side.commands.del(keys.agentSweep);
    for (const room of rooms) for (const text of ['a', 'b']) await side.log.append(draft(room, 'ann', text));
    await jobs.wake(rooms[0].id);
    t.equal(await jobs.sweep(60_000), 4);
    t.equal(await otherNode(t, 'c').sweep(60_000), 4, 'the others are told');
    const woken = async () =>
      ((await side.commands.xrange(keys.agentJobs, '-', '+')) as [string, string[]][])
        .map(([, fields]) => Number(fields[1]))
        .sort();
    t.same(await woken(), rooms.map(({ id }) => id).sort());
    await side.commands.del(keys.agentSweep);
    await jobs.sweep(60_000);
    t.same(await woken(), rooms.map(({ id }) => id).sort(), 'what waits is not doubled');
  });

  t.test('a Redis that has forgotten the group gets it anew', async (t) => {
    await side.commands.del(keys.agentJobs);
    await jobs.wake(9);
    t.match(await until('the job', async () => (await jobs.take(1))[0]), { room: 9 });
    await side.commands.del(keys.agentJobs);
    t.same(await jobs.takeOver(5), []);
  });

  t.test('everything of a room and its questions is in one slot', async (t) => {
    const slot = partitionSlot(roomPartition(300));
    t.equal(partitionSlot(roomPartition(300 + PARTITIONS)), slot);
    for (const key of [keys.agentPending(roomPartition(300)), keys.agentLease(300)]) {
      t.equal(key.slice(0, key.indexOf('}')), keys.room(300).slice(0, keys.room(300).indexOf('}')));
    }
    t.equal(keys.agentPending(44), keys.agentPending(roomPartition(300)));
  });
}

t.test('the Redis of this run', async (t) => suite(t, await startAnyRedis(t)));
t.test('a cluster', OWN_SERVERS, async (t) => suite(t, await startRedisCluster(t)));
