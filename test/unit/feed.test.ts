import t from 'tap';
import type { MessageEvent, Room, RoomEvent } from '../../src/core/model.js';
import { channels, keys, roomPartition } from '../../src/redis/keys.js';
import { type Sink, startWorld, type World } from '../helpers/hub.js';
import { sleep, until } from '../helpers/wait.js';

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);
const offsetOf = (event: RoomEvent) => (event as MessageEvent).message.offset;

async function has(sink: Sink, offsets: number[]): Promise<void> {
  await until(`offsets up to ${offsets.at(-1)}`, () => sink.offsets.length >= offsets.length, 15_000);
}

/** Lets nothing of the room pass but what `keep` says, by offset. */
function filter(world: World, room: Room, keep: (offset: number) => boolean): void {
  world.tamper = (events, id) => (id === room.id ? events.filter((event) => keep(offsetOf(event))) : events);
}

t.test('a feed without the tip check', async (t) => {
  const world = await startWorld(t);
  const { stats } = world;

  t.test('hands out what comes, in order', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    const before = { ...stats };
    await world.appendMany(room, 1, 100);
    await has(sink, upTo(100));
    t.strictSame(sink.offsets, upTo(100));
    t.strictSame(sink.contents, upTo(100).map(String));
    t.equal(stats.gaps, before.gaps);
    t.equal(stats.logReads, before.logReads, 'without a look at the log');
  });

  t.test('a lost event is read from the log when the next one comes', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    const came: number[] = [];
    filter(world, room, (offset) => {
      came.push(offset);
      return offset !== 3 && offset !== 4;
    });
    const before = { ...stats };
    for (const n of upTo(4)) await world.append(room, String(n));
    await until('all have come', () => came.length === 4, 15_000);
    await has(sink, [1, 2]);
    t.strictSame(sink.offsets, [1, 2], 'nothing tells of it yet');
    await world.append(room, '5');
    await has(sink, upTo(5));
    t.strictSame(sink.offsets, upTo(5));
    t.equal(stats.gaps, before.gaps + 1);
    t.ok(stats.recovered >= before.recovered + 2);
  });

  t.test('a repeated event is dropped', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    world.tamper = (events) => [...events, ...events];
    for (const n of upTo(5)) await world.append(room, String(n));
    await has(sink, upTo(5));
    world.tamper = (events) => events;
    await world.append(room, '6');
    await has(sink, upTo(6));
    t.strictSame(sink.offsets, upTo(6));
  });

  t.test('events out of order come in order', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    let kept: RoomEvent[] = [];
    world.tamper = (events) => {
      kept.push(...events);
      if (kept.length < 5) return [];
      const turned = kept.reverse();
      kept = [];
      return turned;
    };
    for (const n of upTo(20)) await world.append(room, String(n));
    await has(sink, upTo(20));
    world.tamper = (events) => events;
    await world.append(room, '21');
    await has(sink, upTo(21));
    t.strictSame(sink.offsets, upTo(21));
  });

  t.test('a hole in the log itself is final: reading goes on past it', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    filter(world, room, (offset) => offset <= 2 || offset > 6);
    for (const n of upTo(6)) await world.append(room, String(n));
    await world.redis.xdel(keys.log(room.id), '0-3', '0-5');
    await world.append(room, '7');
    await has(sink, [1, 2, 4, 6, 7]);
    t.strictSame(sink.offsets, [1, 2, 4, 6, 7]);
    t.strictSame(world.rollbacks, [], 'and no other history');
  });

  t.test('the entry at the head may be erased', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    filter(world, room, (offset) => offset !== 3);
    for (const n of upTo(3)) await world.append(room, String(n));
    await until('the head', () => sink.offsets.length === 2);
    await world.redis.xdel(keys.log(room.id), '0-2');
    await world.append(room, '4');
    await has(sink, upTo(4));
    t.strictSame(sink.offsets, upTo(4));
    t.strictSame(world.rollbacks, []);
  });

  t.test('an event that the log does not have is not believed', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.append(room, '1');
    await has(sink, [1]);
    const forged = (offset: number, prev: string) =>
      world.redis.spublish(
        channels.room(room.id),
        `1[[${offset},1,"forged","${prev}","x","forged",[],"rooms",null]]`,
      );
    await forged(2, 'no such nonce');
    await forged(9, 'no such nonce');
    await forged(1, '');
    await sleep(50);
    for (const n of [2, 3]) await world.append(room, String(n));
    await has(sink, upTo(3));
    t.strictSame(sink.contents, ['1', '2', '3']);
  });
});

t.test('another history', async (t) => {
  const world = await startWorld(t);
  const { stats, rollbacks } = world;

  t.test('is noticed by the first message of it, and followed from where the two part', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 10);
    await has(sink, upTo(10));
    await world.forget(room, 6);
    for (const text of ['7b', '8b']) await world.append(room, text);
    await until('both', () => sink.contents.includes('8b'));
    t.strictSame(sink.offsets, [...upTo(10), 7, 8]);
    t.strictSame(sink.contents.slice(10), ['7b', '8b']);
    t.strictSame(rollbacks.splice(0), [{ from: 10, to: 6 }], 'and said so');
  });

  t.test('is noticed when it has grown past the old one', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 5);
    await has(sink, upTo(5));
    await world.forget(room, 3);
    filter(world, room, (offset) => offset > 5); // what came first was lost as well
    for (const text of ['4b', '5b']) await world.append(room, text);
    await world.append(room, '6b'); // continues offset 5 in number, not in history
    await until('the newest', () => sink.contents.includes('6b'));
    world.tamper = (events) => events;
    t.strictSame(sink.contents, ['1', '2', '3', '4', '5', '4b', '5b', '6b']);
    t.strictSame(rollbacks.splice(0), [{ from: 5, to: 3 }]);
  });

  t.test('without a new message is noticed at the next look at the tip', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 5);
    await has(sink, upTo(5));
    await world.forget(room, 2);
    world.hub.onSubscribed([room.id]);
    await until('the rollback', () => rollbacks.length > 0);
    t.strictSame(rollbacks.splice(0), [{ from: 5, to: 2 }]);
    await world.append(room, '3b');
    await until('the new third', () => sink.contents.includes('3b'));
    t.strictSame(sink.contents.slice(5), ['3b']);
  });

  t.test('that has nothing left of a room begins it anew', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 5);
    await has(sink, upTo(5));
    await world.redis.del(keys.log(room.id));
    await world.redis.hdel(keys.room(room.id), 'tip');
    await world.append(room, '1b');
    await until('the new first', () => sink.contents.includes('1b'));
    t.strictSame(sink.offsets, [...upTo(5), 1]);
    t.strictSame(rollbacks.splice(0), [{ from: 5, to: 0 }]);
  });

  t.test('that parts too far back is read from its newest page, after a reset', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 900);
    await has(sink, upTo(900));
    const before = stats.resyncs;
    await world.forget(room, 100);
    await world.append(room, '101b');
    await until('the reset', () => sink.frames.some(({ type }) => type === 'reset'));
    await until('the new head', () => sink.contents.includes('101b'));
    t.equal(stats.resyncs, before + 1);
    t.strictSame(
      sink.frames.slice(-2).map(({ type }) => type),
      ['reset', 'history'],
    );
    t.strictSame(sink.offsets.slice(900), upTo(101, 52), 'the newest page');
    await world.append(room, '102b');
    await until('the next', () => sink.contents.includes('102b'));
    t.equal(sink.frames.filter(({ type }) => type === 'reset').length, 1, 'said once');
    t.strictSame(rollbacks.splice(0), [{ from: 900, to: undefined }]);
  });

  t.test('is followed by a reader that had fallen behind, too', async (t) => {
    const room = await world.newRoom();
    const { sink, session } = await world.read(room);
    await world.append(room, '1');
    await has(sink, [1]);
    sink.full = true;
    for (const n of upTo(80, 2)) await world.append(room, `${n} ${'x'.repeat(8_000)}`);
    await until('it takes nothing any more', () => session.stalled, 15_000);
    await world.forget(room, 40);
    await world.append(room, '41b');
    await until('the rollback', () => rollbacks.length > 0);
    sink.full = false;
    sink.drain();
    await until('the new head', () => sink.contents.includes('41b'));
    const at = sink.contents.indexOf('41b');
    t.equal(sink.offsets[at], 41);
    const seen = sink.offsets.slice(0, at);
    t.strictSame(seen.slice(0, 40), upTo(40), 'everything that both histories have, once');
    t.strictSame(seen, upTo(seen.length), 'no hole in the old one');
    rollbacks.length = 0;
  });

  t.test('that begins below where a reader had got to takes that reader back', async (t) => {
    const room = await world.newRoom();
    const { sink, session } = await world.read(room);
    await world.append(room, '1');
    await has(sink, [1]);
    sink.full = true;
    for (const n of upTo(80, 2)) await world.append(room, `${n} ${'x'.repeat(8_000)}`);
    await until('it takes nothing any more', () => session.stalled, 15_000);
    await world.forget(room, 10);
    await world.append(room, '11b');
    await until('the rollback', () => rollbacks.length > 0);
    sink.full = false;
    sink.drain();
    await until('the new head', () => sink.contents.includes('11b'));
    const at = sink.contents.indexOf('11b');
    t.ok(at > 20, `it had seen ${at} of the old history`);
    t.strictSame(sink.offsets, [...upTo(at), 11]);
    await world.append(room, '12b');
    await until('the next', () => sink.contents.includes('12b'));
    t.strictSame(sink.offsets, [...upTo(at), 11, 12], 'and it is live');
    rollbacks.length = 0;
  });

  t.test('that shows while a reader has a page of the old one in its hands', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 60);
    await has(other, upTo(60));
    feed.tail.clear(); // so that the log is read
    let first = true;
    let counted = 0;
    world.afterRead = async () => {
      if (!first) return;
      first = false;
      counted = stats.rolledBack;
      await world.forget(room, 40);
      await world.append(room, '41b');
      await until('the feed goes on in the new one', () => other.contents.includes('41b'));
    };
    const { sink } = await world.read(room, { from: 'since', since: { offset: 20, nonce: undefined } });
    world.afterRead = async () => undefined;
    await world.append(room, '42b');
    await until('the newest', () => sink.contents.includes('42b'));
    t.strictSame(sink.offsets, upTo(42, 21), 'it is shown the new one only, and all of it');
    t.equal(sink.contents[20], '41b');
    t.equal(stats.rolledBack, counted + 20, 'what had been handed out of the old one is counted');
    rollbacks.length = 0;
  });
});

t.test('the tip check', async (t) => {
  const world = await startWorld(t, { checks: true });

  t.test('finds a lost last message', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.append(room, '1');
    await has(sink, [1]);
    filter(world, room, () => false);
    for (const n of [2, 3]) await world.append(room, String(n));
    await has(sink, upTo(3));
    t.strictSame(sink.offsets, upTo(3));
  });

  t.test('finds it while the clock of Redis is behind that of the primary before', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    const { createdMs } = await world.append(room, '1');
    await has(sink, [1]);
    const ahead = createdMs + 60_000;
    await world.redis.hset(
      keys.room(room.id),
      'tip',
      `1 ${ahead} ${(await world.side.log.tips([room.id]))[0]?.nonce}`,
    );
    await world.append(room, '2');
    await has(sink, upTo(2));
    await world.redis.zadd(
      keys.recent(roomPartition(room.id)),
      Math.floor(ahead / 1_000) * 1_000,
      String(room.id),
    );
    await sleep(6_000); // its second is known, and was looked at more than twice
    filter(world, room, () => false);
    t.equal((await world.append(room, '3')).createdMs, ahead);
    await has(sink, upTo(3));
    t.strictSame(sink.offsets, upTo(3));
  });

  t.test('finds a lost first message, and one of an unknown format', async (t) => {
    const rooms = [await world.newRoom(), await world.newRoom()];
    const readers = [];
    for (const room of rooms) readers.push(await world.read(room));
    world.tamper = () => [];
    for (const room of rooms) await world.append(room, '1');
    for (const { sink } of readers) await has(sink, [1]);
    t.strictSame(
      readers.map(({ sink }) => sink.offsets),
      [[1], [1]],
    );
    const before = world.side.fanOut.stats.undecodable;
    await world.redis.spublish(channels.room((rooms[0] as Room).id), '2[of a later release]');
    await until('it is counted', () => world.side.fanOut.stats.undecodable === before + 1);
  });

  t.test('finds a loss in the same millisecond as the newest message', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    filter(world, room, (offset) => offset === 1);
    await world.appendMany(room, 1, 2); // one script call, one time
    await has(sink, upTo(2));
    t.strictSame(sink.offsets, upTo(2));
  });
});
