/**
 * A fail-over may lose a room and keep what points to it, and then its number may be given to others: nobody of the first
 * room gets to see or to say anything there.
 */

import { Redis } from 'ioredis';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import { Rooms } from '../../src/core/rooms.js';
import { encoder } from '../../src/dialects/rooms/encode.js';
import type { RoomFeed } from '../../src/realtime/feed.js';
import { UserFeeds } from '../../src/realtime/user-feeds.js';
import { keys, roomPartition } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide, Sink, startWorld } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

t.test('rooms whose number is another one by now', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const before = redisSide(t, server);
  /** A node that has seen nothing of before. */
  const after = redisSide(t, server);

  /** What was the room of `a` and `b` is lost, but for what points to it, and its number is that of `c` and `d`. */
  const reuse = async (a: string, b: string, c: string, d: string): Promise<{ old: Room; other: Room }> => {
    const { room: old } = await before.rooms.openDirect(a, b);
    await before.log.append(draftOf(old, { sender: a }));
    await redis.del(keys.room(old.id), keys.log(old.id));
    await redis.set(keys.roomCounter, old.id - 1);
    await sleep(2); // no two rooms of one number are made in the same millisecond
    const { room: other } = await after.rooms.openDirect(c, d);
    t.equal(other.id, old.id);
    return { old, other };
  };

  t.test('the pair gets a new room, and only one', async (t) => {
    const { other } = await reuse('a1', 'b1', 'c1', 'd1');
    t.equal(await after.rooms.findDirect('a1', 'b1'), undefined);
    const opened = await Promise.all(
      Array.from({ length: 8 }, (_, i) => after.rooms.openDirect(i % 2 ? 'a1' : 'b1', i % 2 ? 'b1' : 'a1')),
    );
    t.equal(new Set(opened.map(({ room }) => room.id)).size, 1);
    t.not(opened[0]?.room.id, other.id);
    t.same((await after.rooms.findDirect('a1', 'b1'))?.participants, ['a1', 'b1']);
    t.equal((await after.rooms.findDirect('c1', 'd1'))?.id, other.id);
  });

  t.test('a pair whose room is lost and its number free gets a new one', async (t) => {
    const { room } = await after.rooms.openDirect('a2', 'b2');
    await redis.del(keys.room(room.id));
    const fresh = redisSide(t, server);
    const { room: next, created } = await fresh.rooms.openDirect('a2', 'b2');
    t.ok(created);
    t.not(next.id, room.id);
  });

  t.test('what is said to the one that was is not stored in the one that is', async (t) => {
    const { old, other } = await reuse('a3', 'b3', 'c3', 'd3');
    await t.rejects(before.log.append(draftOf(old, { sender: 'a3' })), { code: 'not_found' });
    t.equal((await after.log.append(draftOf(other, { sender: 'c3' }))).offset, 1);
    t.equal((await after.log.readAfter(other.id, 0, 10)).length, 1);
  });

  t.test('nor when both are spoken to in one call', async (t) => {
    const { old, other } = await reuse('a6', 'b6', 'c6', 'd6');
    const [stored, refused] = await Promise.allSettled([
      before.log.append(draftOf(other, { sender: 'c6', text: 'for d6' })),
      before.log.append(draftOf(old, { sender: 'a6', text: 'for b6' })),
    ]);
    t.match(stored, { status: 'fulfilled', value: { offset: 1 } });
    t.match(refused, { status: 'rejected', reason: { code: 'not_found' } });
    t.same(
      (await after.log.readAfter(other.id, 0, 10)).map(({ text }) => text),
      ['for d6'],
    );
  });

  t.test('a number that is of another kind of room now is written to as that kind is', async (t) => {
    /** Loses a room that this node has spoken in; the next one made gets its number. */
    const lose = async (room: Room): Promise<void> => {
      await redis.del(keys.room(room.id), keys.log(room.id), keys.members(room.id));
      await redis.set(keys.roomCounter, room.id - 1);
      await sleep(2);
    };
    const asked = await before.rooms.createAgent('ann');
    await before.log.append(draftOf(asked));
    await lose(asked);
    const said = await after.rooms.createPublic('a room');
    t.equal(said.id, asked.id);
    for (const offset of [1, 2]) t.equal((await before.log.append(draftOf(said))).offset, offset);
    t.equal(await redis.hexists(keys.members(said.id), 'ann'), 1);

    await lose(said);
    const again = await after.rooms.createAgent('ann');
    t.equal(again.id, said.id);
    await redis.del(keys.agentPending(roomPartition(again.id)));
    await before.log.append(draftOf(again));
    t.equal(
      await redis.zcard(keys.agentPending(roomPartition(again.id))),
      1,
      'the question awaits its answer',
    );
  });

  t.test('nobody finds it in a list of their rooms', async (t) => {
    const { other } = await reuse('a4', 'b4', 'c4', 'd4');
    const rooms = new Rooms(after.rooms);
    const listed = async (user: string) => (await rooms.of(user, ['direct'])).map(({ id }) => id);
    t.same(await after.rooms.listOf('a4', 10), [other.id], 'the list still names it');
    t.same(await listed('a4'), []);
    t.same(await listed('c4'), [other.id]);
    t.same(
      (await rooms.list('a4', 100, undefined)).filter(({ kind }) => kind === 'direct'),
      [],
    );
  });

  t.test('a node that reaches another primary remembers no rooms', async (t) => {
    const { old, other } = await reuse('a5', 'b5', 'c5', 'd5');
    t.same(await before.rooms.get(old.id), old, 'it is what it was');
    await server.ask('CLIENT KILL TYPE normal');
    await until('it is looked up', async () => (await before.rooms.get(old.id))?.participants[0] === 'c5');
    t.same(await before.rooms.get(other.id), other);
  });
});

t.test('who speaks in a public room', OWN_SERVERS, async (t) => {
  const server = await startRedis(t);
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const side = redisSide(t, server);

  t.test('becomes a member again when a fail-over lost that', async (t) => {
    const room = await side.rooms.createPublic('a room');
    const isMember = () => redis.hexists(keys.members(room.id), 'ann');
    await side.log.append(draftOf(room));
    t.equal(await isMember(), 1);
    await redis.del(keys.members(room.id));
    await side.log.append(draftOf(room));
    t.equal(await isMember(), 0, 'Redis is not asked again while it is the same');
    await server.ask('CLIENT KILL TYPE normal');
    await side.log.append(draftOf(room));
    t.equal(await isMember(), 1);
  });

  t.test('becomes one of the room that has the number of another', async (t) => {
    const lost = await side.rooms.createPublic('lost');
    await side.log.append(draftOf(lost));
    await redis.del(keys.room(lost.id), keys.log(lost.id), keys.members(lost.id));
    await redis.set(keys.roomCounter, lost.id - 1);
    await sleep(2);
    const room = await side.rooms.createPublic('a room');
    t.equal(room.id, lost.id);
    await side.log.append(draftOf(room));
    t.equal(await redis.hexists(keys.members(room.id), 'ann'), 1);
  });
});

t.test('live readers of a room that is gone', OWN_SERVERS, async (t) => {
  const world = await startWorld(t);
  const { rooms, fanOut } = world.side;

  t.test('a socket of one room is closed with 4404, one of many goes on', async (t) => {
    const [lost, kept] = [await world.newRoom(), await world.newRoom()];
    const one = await world.read(lost);
    const many = await world.read(lost, { from: 'newest' }, false);
    const other = await world.read(kept);
    await world.redis.del(keys.room(lost.id));
    world.hub.onSubscribed([lost.id, kept.id]);
    await until('it is closed', () => one.sink.closes[0] === 4404);
    t.same(world.lost, [lost.id]);
    t.notOk(many.session.closed);
    t.notOk(other.session.closed);
    await world.append(kept, 'still here');
    await until('it comes', () => other.sink.offsets.length === 1);
    for (const { feed } of [one, many]) world.hub.release(feed);
    t.same(await world.hub.open([lost.id]), [], 'nobody can open it');
  });

  t.test(
    'a socket that starts to read a room that was lost after it was opened is closed with 4404',
    async (t) => {
      const lost = await world.newRoom();
      const [feed] = (await world.hub.open([lost.id])) as [RoomFeed];
      await world.redis.del(keys.room(lost.id));
      world.hub.onSubscribed([lost.id]);
      await until('it is gone', () => world.lost.includes(lost.id));
      const starts = [
        { from: 'newest' },
        { from: 'position', position: feed.head },
        { from: 'since', since: { offset: 0, nonce: undefined } },
      ] as const;
      for (const start of starts) {
        const sink = new Sink();
        const options = { user: 'reader', encoder, transport: sink, onEvent: undefined };
        const one = world.hub.session({ ...options, oneRoom: true });
        await one.read(feed, start);
        t.same(sink.closes, [4404], start.from);
        const many = world.hub.session({ ...options, oneRoom: false });
        await many.read(feed, start);
        t.notOk(many.closed, 'one of many goes on');
        t.equal(many.feeds.size, 0);
      }
      world.hub.release(feed);
    },
  );

  t.test('a socket of many that has a page of it in its hands looks no further', async (t) => {
    const lost = await world.newRoom();
    await world.append(lost, '1');
    const { feed } = await world.read(lost);
    feed.tail.clear(); // so that the log is read
    world.afterRead = async () => {
      world.afterRead = async () => undefined;
      await world.redis.del(keys.room(lost.id), keys.log(lost.id));
      world.hub.onSubscribed([lost.id]);
      await until('it is gone', () => world.lost.includes(lost.id));
    };
    const since = { from: 'since', since: { offset: 0, nonce: undefined } } as const;
    const { session } = await world.read(lost, since, false);
    t.notOk(session.closed);
    t.equal(session.feeds.size, 0);
  });

  t.test('a pair that gets the same number again is read again on sockets for all chats', async (t) => {
    const { room: lost } = await rooms.openDirect('gina', 'hugo');
    const feeds = new UserFeeds(world.hub, fanOut, rooms);
    world.onLost = (rooms) => feeds.onLost(rooms);
    const fresh: RoomFeed[] = [];
    const reader = { onFeed: (feed: RoomFeed) => fresh.push(feed), onUserEvent: () => undefined };
    const feed = await feeds.add('gina', reader);
    const first = feed.feeds[0];
    await world.redis.del(keys.room(lost.id), keys.direct('gina', 'hugo'));
    await world.redis.set(keys.roomCounter, lost.id - 1);
    await sleep(2);
    rooms.forget(lost);
    const { room: again } = await rooms.openDirect('gina', 'hugo');
    t.equal(again.id, lost.id);
    // The announcement of the new one came before anybody had looked whether the old one is there.
    feeds.onUserEvent('gina', { kind: 'room', room: again.id });
    await feed.following;
    t.same(fresh, []);
    world.hub.onSubscribed([lost.id]);
    await until('it is read', () => fresh.length === 1);
    t.not(fresh[0], first);
    t.same(feed.feeds, fresh, 'and the old one no more');
    t.equal(fresh[0]?.room.createdMs, again.createdMs);
    feeds.remove(feed, reader);
    feeds.close();
  });

  t.test('a number that was that of a room of another kind is read on sockets for all chats', async (t) => {
    for (const [user, other, told] of [
      ['ines', 'jan', true],
      ['kim', 'lea', false], // nobody read the room any more: there was no feed of it to be found lost
    ] as const) {
      const lost = await rooms.createAgent(user);
      const feeds = new UserFeeds(world.hub, fanOut, rooms);
      world.onLost = (rooms) => told && feeds.onLost(rooms);
      const fresh: RoomFeed[] = [];
      const reader = { onFeed: (feed: RoomFeed) => fresh.push(feed), onUserEvent: () => undefined };
      const feed = await feeds.add(user, reader);
      t.same([...feed.others], [lost.id]);
      await world.redis.del(keys.room(lost.id));
      await world.redis.set(keys.roomCounter, lost.id - 1);
      await sleep(2);
      rooms.forget(lost);
      const { room: again } = await rooms.openDirect(user, other);
      t.equal(again.id, lost.id);
      if (told) feeds.onUserEvent(user, { kind: 'room', room: again.id });
      await feed.following;
      world.hub.onSubscribed([lost.id]);
      await until('it is found lost', () => world.lost.includes(lost.id));
      if (!told) feeds.onUserEvent(user, { kind: 'room', room: again.id });
      await until('it is read', () => fresh.length === 1);
      t.same(fresh[0]?.room, again);
      feeds.remove(feed, reader);
      feeds.close();
    }
  });

  t.test('a user whose list names a room of others does not read it', async (t) => {
    const { room: theirs } = await rooms.openDirect('carl', 'dora');
    await world.redis.sadd(keys.userRooms('eve'), theirs.id);
    const { room: own } = await rooms.openDirect('eve', 'fred');
    const feeds = new UserFeeds(world.hub, fanOut, rooms);
    const reader = { onFeed: () => undefined, onUserEvent: () => undefined };
    const feed = await feeds.add('eve', reader);
    t.same(
      feed.feeds.map(({ id }) => id),
      [own.id],
    );
    feeds.remove(feed, reader);
    feeds.close();
  });
});
