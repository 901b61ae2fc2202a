import t from 'tap';
import { unfoldMessageId } from '../../src/core/ids.js';
import type { RoomEvent } from '../../src/core/model.js';
import type { Encoder } from '../../src/core/rendering.js';
import { encoder as rooms } from '../../src/dialects/rooms/encode.js';
import { encoder as skillarena } from '../../src/dialects/skillarena/encode.js';
import type { RoomFeed } from '../../src/realtime/feed.js';
import type { ReadStart } from '../../src/realtime/reader.js';
import { keys } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { Sink, startWorld } from '../helpers/hub.js';
import { until } from '../helpers/wait.js';

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);

async function has(sink: Sink, offsets: number[]): Promise<void> {
  await until(`offsets up to ${offsets.at(-1)}`, () => sink.offsets.length >= offsets.length, 15_000);
}

t.test('a reader on its way from the log to live delivery', async (t) => {
  const world = await startWorld(t);

  t.test('a reader that is about to go live misses nothing that comes just then', async (t) => {
    for (const [behind, during] of [
      [1, 1],
      [1, 2],
      [70, 1],
      [600, 1],
    ] as const) {
      const room = await world.newRoom();
      const { feed } = await world.read(room, { from: 'newest' });
      await world.appendMany(room, 1, behind);
      await until('the feed has them', () => feed.head.offset === behind);
      feed.tail.clear(); // so that the log is read
      let more: number = during;
      world.afterRead = async () => {
        if (more === 0) return;
        more -= 1;
        const { offset } = await world.append(room, 'meanwhile');
        await until('the feed has it', () => feed.head.offset === offset);
        feed.tail.clear();
      };
      const { sink } = await world.read(room, { from: 'since', since: { offset: 0, nonce: undefined } });
      world.afterRead = async () => undefined;
      await world.append(room, 'after');
      await has(sink, upTo(behind + during + 1));
      t.strictSame(sink.offsets, upTo(behind + during + 1), `${during} while ${behind} are read`);
    }
  });

  t.test('a reader that starts amid a stream of messages has all of them once', async (t) => {
    const room = await world.newRoom();
    const writing = world.appendMany(room, 1, 1_000);
    const readers = await Promise.all(
      upTo(5).map(() => world.read(room, { from: 'since', since: { offset: 0, nonce: undefined } })),
    );
    await writing;
    for (const { sink } of readers) {
      await has(sink, upTo(1_000));
      t.strictSame(sink.offsets, upTo(1_000));
    }
  });
});

t.test('a message that cannot be shown', async (t) => {
  const world = await startWorld(t);
  const faults: unknown[] = [];
  world.stats.onFault = (error) => faults.push(error);
  const [room, other] = [await world.newRoom(), await world.newRoom()];
  const { sink: beside } = await world.read(other);

  let broken = true;
  const sink = new Sink();
  const session = world.hub.session({
    user: 'reader',
    encoder: {
      ...rooms,
      message: (message, context) => {
        if (broken && message.text === 'bad') throw new RangeError('no such id');
        return rooms.message(message, context);
      },
    },
    transport: sink,
    onEvent: undefined,
    oneRoom: true,
  });
  sink.session = session;
  const [feed] = (await world.hub.open([room.id])) as [RoomFeed];
  await session.read(feed, { from: 'newest' });
  await world.append(room, 'first');
  await has(sink, [1]);

  // One call, and so one publication: all of it is handed out at once.
  await Promise.all(['good', 'bad', 'more'].map((text) => world.append(room, text)));
  await until('the log was tried too', () => faults.length >= 3);
  await world.append(other, 'elsewhere');
  await has(beside, [1]);
  t.strictSame(sink.contents, ['first', 'good'], 'it holds up what comes after it in its own room');
  broken = false;
  await has(sink, upTo(4));
  await world.append(room, 'last');
  await has(sink, upTo(5));
  t.strictSame(sink.contents, ['first', 'good', 'bad', 'more', 'last'], 'and each comes once');
  t.notOk(session.closed);
});

t.test('a reader that comes between a fail-over and the moment its node notices it', async (t) => {
  const world = await startWorld(t);
  const starts: ReadStart[] = [{ from: 'newest' }, { from: 'since', since: { offset: 3, nonce: undefined } }];

  t.test('has what the log has since then once', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 10);
    await has(other, upTo(10));
    world.tamper = () => []; // the subscription is being made anew
    feed.tail.clear(); // so that the log is read
    await world.forget(room, 7);
    for (const text of ['8b', '9b']) await world.append(room, text);
    const readers = await Promise.all(starts.map((start) => world.read(room, start)));
    world.tamper = (events) => events;
    world.hub.onSubscribed([room.id]);
    await world.append(room, '10b');
    const contents = [...upTo(7).map(String), '8b', '9b', '10b'];
    const [newest, since] = readers.map(({ sink }) => sink);
    await until('the newest', () => [newest, since, other].every((sink) => sink?.contents.includes('10b')));
    t.strictSame(newest?.contents, contents);
    t.strictSame(since?.contents, contents.slice(3));
    t.strictSame(other.contents.slice(10), contents.slice(7));
  });

  t.test('has what is stored again', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 5);
    const draft = draftOf(room, { sender: 'writer', text: '6' });
    await world.side.log.append(draft);
    await has(other, upTo(6));
    feed.tail.clear();
    await world.forget(room, 5);
    const readers = await Promise.all(starts.map((start) => world.read(room, start)));
    await world.side.log.append(draft);
    await world.append(room, '7');
    const [newest, since] = readers.map(({ sink }) => sink);
    await until('the newest', () => [newest, since, other].every((sink) => sink?.offsets.includes(7)));
    t.strictSame(newest?.offsets, upTo(7));
    t.strictSame(since?.offsets, upTo(7, 4));
    t.strictSame(other.offsets, upTo(7));
  });

  t.test('is told from one that comes when the newest entries were erased', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 6);
    await has(other, upTo(6));
    feed.tail.clear();
    await world.redis.xdel(keys.log(room.id), '0-5', '0-6');
    const rollbacks = world.rollbacks.length;
    const [newest, since] = await Promise.all(starts.map((start) => world.read(room, start)));
    t.same(newest?.session.positionIn(feed), undefined, 'it is live');
    t.same(since?.session.positionIn(feed), undefined);
    await world.append(room, '7');
    await has(newest?.sink as Sink, [1, 2, 3, 4, 7]);
    await has(since?.sink as Sink, [4, 7]);
    t.strictSame(newest?.sink.offsets, [1, 2, 3, 4, 7]);
    t.strictSame(since?.sink.offsets, [4, 7]);
    t.equal(world.rollbacks.length, rollbacks);
  });
});

t.test('a slow reader', async (t) => {
  const world = await startWorld(t);

  t.test('falls out of live delivery, holds a bounded part, and reads the rest from the log', async (t) => {
    const room = await world.newRoom();
    const slow = await world.read(room);
    const quick = await world.read(room);
    slow.sink.full = true;
    for (const n of upTo(200)) {
      await world.append(room, `${n} ${'x'.repeat(8_000)}`);
      // What comes at once is handed out at once, however much it is: a few at a time.
      if (n % 10 === 0) await has(quick.sink, upTo(n));
    }
    t.strictSame(quick.sink.offsets, upTo(200), 'the other one has everything');
    t.ok(slow.sink.most < 400_000, `${slow.sink.most} bytes wait for the slow one, not 1.6 million`);
    t.ok(world.stats.stalls >= 1);
    const takes = () => {
      slow.sink.drain();
      return slow.sink.offsets.length >= 200;
    };
    await until('it has taken all', takes, 15_000, 5);
    t.strictSame(slow.sink.offsets, upTo(200));
    t.ok(slow.sink.most < 400_000, 'the way back is bounded as well');
    slow.sink.full = false;
    slow.sink.drain();
    await world.append(room, '201');
    await has(slow.sink, upTo(201));
    t.strictSame(slow.sink.offsets, upTo(201), 'and it is live again');
  });
});

t.test('a reader that awaits what it sent itself hears what else happens', async (t) => {
  const world = await startWorld(t);

  /** What a socket is sent, up to its own message, when these events come while its second message is undecided. */
  const heard = async (encoder: Encoder, events: RoomEvent[]): Promise<unknown[]> => {
    const room = await world.newRoom();
    await world.side.log.append(draftOf(room, { sender: 'reader', text: 'before' }));
    const [feed] = (await world.hub.open([room.id])) as [RoomFeed];
    const sink = new Sink();
    const options = { user: 'reader', transport: sink, onEvent: undefined, oneRoom: true };
    const session = world.hub.session({ ...options, encoder });
    await session.read(feed, { from: 'newest' });
    await until('it has what was before', () => sink.frames.length === 1);
    const own = draftOf(room, { sender: 'reader', text: 'own' });
    let decide = () => {};
    const undecided = new Promise<void>((resolve) => {
      decide = resolve;
    });
    session.expect(own.nonce, undefined, undecided);
    const { offset } = await world.side.log.append(own);
    await until('it is behind', () => session.positionIn(feed)?.offset === 1);
    world.hub.onEvents(room.id, events);
    feed.flush();
    session.decided(own.nonce, offset);
    decide();
    await until('its own', () => JSON.stringify(sink.frames).includes('"own"'));
    session.close(1000, '');
    world.hub.release(feed);
    return sink.frames.slice(1).map(({ content, data }) => {
      const { message_id, status } = (data ?? {}) as Record<string, unknown>;
      return content ?? [unfoldMessageId(Number(message_id)).offset, status];
    });
  };

  const presence = { kind: 'presence', user: 'zoe', change: 'joined', atMs: 1 } as const;
  t.strictSame(await heard(rooms, [presence, { ...presence, user: 'reader' }]), [
    'User zoe joined the chat',
    'own',
  ]);
  const unable: Encoder = {
    ...rooms,
    event: () => {
      throw new RangeError('no such place');
    },
  };
  t.strictSame(await heard(unable, [presence]), ['own'], 'without an event that cannot be shown');
  const receipt = { kind: 'receipt', user: 'zoe', status: 'read', sender: 'reader', via: 'rooms' } as const;
  t.strictSame(
    await heard(skillarena, [
      { ...receipt, offset: 2 },
      { ...receipt, offset: 1 },
    ]),
    [
      [1, 'read'],
      [2, 'sent'],
    ],
    'but that its message is stored is not for it to know yet',
  );
});
