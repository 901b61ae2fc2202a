import t from 'tap';
import { ChatError } from '../../src/core/errors.js';
import { LAST_NUMBER } from '../../src/core/ids.js';
import { isMarked } from '../../src/core/marks.js';
import type { Message, MessageEvent, Room } from '../../src/core/model.js';
import type { Appended, Draft } from '../../src/core/ports.js';
import { buildAppend, type PendingAppend } from '../../src/redis/batch.js';
import type { Client } from '../../src/redis/connection.js';
import { decodeEvents } from '../../src/redis/events.js';
import { channels, encodeId, keys, PARTITIONS } from '../../src/redis/keys.js';
import { runScript, scripts } from '../../src/redis/scripts.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const PAGE = 500;
const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);

/** One call of the script, past all queues: its answer, three integers per draft, in the order of the drafts. */
async function call(redis: Client, drafts: Draft[], keep = 0): Promise<number[][]> {
  const items = drafts.map((one) => ({ draft: one, join: undefined }) as PendingAppend);
  const built = buildAppend(items, keep);
  const flat = (await runScript(redis, scripts.append, built.keys, built.args)) as number[];
  const answers = built.items.map((_, i) => flat.slice(i * 3, i * 3 + 3));
  return items.map((item) => answers[built.items.indexOf(item)] as number[]);
}

t.test('appending', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  const side = redisSide(t, server);
  const newRoom = () => side.rooms.createPublic('a room');
  /** Two rooms, and one that does not exist: of one partition, as all rooms of a call are on a cluster. */
  const neighbours = async (): Promise<[Room, Room, nowhere: Room]> => {
    const first = await newRoom();
    await redis.incrby(keys.roomCounter, PARTITIONS - 1);
    return [first, await newRoom(), { ...first, id: first.id + 100 * PARTITIONS }];
  };
  /** All of a room's log, by pages: many megabytes in one answer may take longer than any command may. */
  const entriesOf = async (room: Room): Promise<Message[]> => {
    const entries: Message[] = [];
    for (;;) {
      const page = await side.log.readAfter(room.id, entries.at(-1)?.offset ?? 0, PAGE);
      entries.push(...page);
      if (page.length < PAGE) return entries;
    }
  };

  /** The faults of a room's log: it must be dense from `first`, in time, and its newest entry be the tip. */
  const faultsOf = async (room: Room, length: number, first = 1): Promise<string[]> => {
    const entries = await entriesOf(room);
    const faults: string[] = [];
    if (entries.length !== length) faults.push(`${entries.length} entries, not ${length}`);
    entries.forEach(({ offset, createdMs }, i) => {
      if (offset !== first + i) faults.push(`offset ${offset} at ${first + i}`);
      if (createdMs < (entries[i - 1]?.createdMs ?? 0)) faults.push(`time goes back at ${offset}`);
    });
    const last = entries.at(-1);
    const tip = await redis.hget(keys.room(room.id), 'tip');
    if (tip !== (last ? `${last.offset} ${last.createdMs} ${last.nonce}` : null))
      faults.push(`the tip is ${tip}`);
    return faults.slice(0, 10);
  };

  t.test('gives dense offsets, whoever appends at once', async (t) => {
    const sides = [side, redisSide(t, server), redisSide(t, server)];
    const rooms = await Promise.all(upTo(4).map(newRoom));
    const answers = new Map<number, Appended[]>(rooms.map((room) => [room.id, []]));
    await Promise.all(
      sides.flatMap((one, s) =>
        upTo(300).flatMap((i) =>
          rooms.map(async (room) => {
            const appended = await one.log.append(
              draftOf(room, { sender: `user-${s}`, text: `${i} of ${s}` }),
            );
            answers.get(room.id)?.push(appended);
          }),
        ),
      ),
    );
    for (const room of rooms) {
      const offsets = (answers.get(room.id) as Appended[]).map(({ offset }) => offset).sort((a, b) => a - b);
      t.strictSame(offsets, upTo(900), 'every append was answered with an offset of its own');
      t.strictSame(await faultsOf(room, 900), []);
      const entries = await entriesOf(room);
      for (const s of [0, 1, 2]) {
        const own = entries.filter(({ sender }) => sender === `user-${s}`).map(({ text }) => text);
        t.strictSame(
          own,
          upTo(300).map((i) => `${i} of ${s}`),
          "one appender's messages stay in their order",
        );
      }
    }
  });

  t.test('stores what it was given, and publishes the same', async (t) => {
    const room = await newRoom();
    const heard: string[] = [];
    const listener = clientOf(t, server, 'subscriptions');
    listener.on('smessage', (_: string, payload: string) => heard.push(payload));
    await listener.ssubscribe(channels.room(room.id));
    const text = '"quoted" \\ \u0000 \u2028 ünï 💬 </script> \n\t';
    const attachments = [{ file: 'f/1', name: 'a "b".png', size: 3, contentType: 'image/png' }];
    const first = draftOf(room, { sender: 'x:y|"z', text, attachments });
    const second = draftOf(room, { text: 'nothing to escape: ünï 💬 \u2028 , ]' });
    await call(redis, [first, second]);
    await until('it is heard', () => heard.length > 0);
    t.equal(heard.length, 1, 'the messages of a call leave in one publication');
    const events = decodeEvents(room.id, heard[0] as string) as MessageEvent[];
    t.strictSame(
      events.map(({ message }) => message),
      await entriesOf(room),
      'live and log are the same',
    );
    t.strictSame(
      events.map(({ prev }) => prev),
      ['', first.nonce],
      'each knows the one before it',
    );
    t.match(events[0]?.message, { sender: 'x:y|"z', text, attachments, offset: 1, via: 'rooms' });
  });

  t.test('never lets a bad or repeated message fail its neighbours', async (t) => {
    const [a, b, nowhere] = await neighbours();
    const drafts = [
      draftOf(a, { key: 'k1', text: 'first' }),
      draftOf(nowhere),
      draftOf(b),
      draftOf(a, { key: 'k1', text: 'again' }),
      draftOf(nowhere, { key: 'k1' }),
      draftOf(a, { key: 'k2' }),
      draftOf(b, { key: 'k1' }),
      draftOf(a, { key: 'k1', sender: 'bob' }),
      draftOf(a),
    ];
    const answers = await call(redis, drafts);
    t.strictSame(
      answers.map(([outcome, offset]) => [outcome, offset]),
      [
        [1, 1],
        [0, 0],
        [1, 1],
        [2, 1],
        [0, 0],
        [1, 2],
        [1, 2],
        [1, 3],
        [1, 4],
      ],
      "a key is its sender's, in its room",
    );
    t.strictSame(await faultsOf(a, 4), []);
    t.strictSame(await faultsOf(b, 2), []);
    t.equal((await entriesOf(a))[0]?.text, 'first');
    t.equal(
      await redis.exists(keys.log(nowhere.id), keys.room(nowhere.id), keys.sent(nowhere.id, 'ann', 'k1')),
      0,
      'nothing of an unknown room',
    );
  });

  t.test('answers the same through the queue: neighbours of an unknown room are stored', async (t) => {
    const [room, , nowhere] = await neighbours();
    const outcomes = await Promise.allSettled(
      [room, nowhere, room, nowhere, room].map((one) => side.log.append(draftOf(one))),
    );
    t.strictSame(
      outcomes.map(({ status }) => status === 'fulfilled'),
      [true, false, true, false, true],
    );
    const error = (outcomes[1] as PromiseRejectedResult).reason as ChatError;
    t.ok(error instanceof ChatError && error.code === 'not_found', 'certain, and in words');
    t.strictSame(await faultsOf(room, 3), []);
  });

  t.test('stores a key once, whoever repeats it, and however often', async (t) => {
    const room = await newRoom();
    const other = redisSide(t, server);
    const answers = await Promise.all(
      upTo(40).flatMap((i) =>
        [side, other].map((one) => one.log.append(draftOf(room, { key: 'once', text: String(i) }))),
      ),
    );
    t.strictSame(new Set(answers.map(({ offset }) => offset)), new Set([1]));
    t.equal(answers.filter(({ repeated }) => !repeated).length, 1);
    t.strictSame(await faultsOf(room, 1), []);
    const ttl = await redis.ttl(keys.sent(room.id, 'ann', 'once'));
    t.ok(ttl > 86_000 && ttl <= 86_400, `remembered for a day: ${ttl} s`);
  });

  t.test('keeps time from going back when the clock does', async (t) => {
    const room = await newRoom();
    await call(redis, [draftOf(room)]);
    const [entry] = await entriesOf(room);
    const future = Date.now() + 3_600_000;
    await redis.hset(keys.room(room.id), 'tip', `1 ${future} ${entry?.nonce}`);
    const answers = await call(redis, [draftOf(room), draftOf(room)]);
    t.strictSame(
      answers.map(([, , created]) => created),
      [future, future],
    );
  });

  t.test('writes nothing at all where log and tip disagree', async (t) => {
    const [broken, sound] = await neighbours();
    await call(redis, [draftOf(broken), draftOf(broken), draftOf(broken)]);
    const tip = (await redis.hget(keys.room(broken.id), 'tip')) as string;
    await redis.hset(keys.room(broken.id), 'tip', tip.replace(/^3 /, '2 '));
    const answers = await call(redis, [draftOf(broken, { key: 'k' }), draftOf(sound), draftOf(broken)]);
    t.strictSame(
      answers.map(([outcome]) => outcome),
      [-1, 1, -1],
    );
    t.equal((await entriesOf(broken)).length, 3);
    t.equal(await redis.exists(keys.sent(broken.id, 'ann', 'k')), 0, 'the key is free');
    t.equal(await redis.hget(keys.room(broken.id), 'tip'), tip.replace(/^3 /, '2 '), 'the tip is as it was');
    t.strictSame(await faultsOf(sound, 1), []);
    await t.rejects(side.log.append(draftOf(broken)), { code: 'internal' });
  });

  t.test('stores nothing past the last offset that has an id in every room', async (t) => {
    const [full, sound] = await neighbours();
    await redis.hset(keys.room(full.id), 'tip', `${LAST_NUMBER - 1} 1 nonce`);
    const answers = await call(redis, [draftOf(full, { key: 'last' }), draftOf(full), draftOf(sound)]);
    t.strictSame(
      answers.map(([outcome, offset]) => [outcome, offset]),
      [
        [1, LAST_NUMBER],
        [-2, LAST_NUMBER],
        [1, 1],
      ],
    );
    await t.rejects(side.log.append(draftOf(full, { key: 'more' })), { code: 'too_large' });
    t.equal((await entriesOf(full)).length, 1);
    t.match(await redis.hget(keys.room(full.id), 'tip'), new RegExp(`^${LAST_NUMBER} `));
    t.equal(await redis.exists(keys.sent(full.id, 'ann', 'more')), 0, 'the key is free');
    const again = await side.log.append(draftOf(full, { key: 'last' }));
    t.match(again, { offset: LAST_NUMBER, repeated: true });
  });

  t.test('trims a log to about the size wanted, and goes on counting', async (t) => {
    const room = await newRoom();
    for (let i = 0; i < 40; i += 1)
      await call(
        redis,
        upTo(50).map(() => draftOf(room)),
        300,
      );
    const entries = await entriesOf(room);
    t.ok(entries.length >= 300 && entries.length <= 500, `${entries.length} entries are kept`);
    t.strictSame(await faultsOf(room, entries.length, 2_001 - entries.length), []);
    t.strictSame(await side.log.readOne(room.id, 1), undefined);
    t.equal(
      (await side.log.readAfter(room.id, 0, 1))[0]?.offset,
      2_001 - entries.length,
      'readers begin at what is there',
    );
    const small = redisSide(t, server, { keepMessages: 300 });
    t.equal((await small.log.append(draftOf(room))).offset, 2_001);
  });

  t.test('a trimmed log has as many unread messages as are left of those of others', async (t) => {
    const small = redisSide(t, server, { keepMessages: 50 });
    const { room } = await small.rooms.openDirect('uma', 'vic');
    // What is neither marked nor gone, counted one by one.
    const recount = async (user: string) => {
      const [marks] = await small.receipts.marks(room.id, [user]);
      const left = (await entriesOf(room)).filter(({ offset }) => marks && !isMarked(marks.read, offset));
      return left.length;
    };
    const said = async (user: string) => (await small.receipts.states([room.id], user))[0]?.unread;
    for (const round of upTo(4)) {
      const senders = upTo(150).map((i) => (i % 2 ? 'uma' : 'vic'));
      await Promise.all(senders.map((sender) => small.log.append(draftOf(room, { sender }))));
      const entries = await entriesOf(room);
      t.ok(entries.length < 160, `${entries.length} entries are kept`);
      // One of them reads some of it, here and there; the other one never.
      const others = entries.filter(({ sender }) => sender === 'vic').filter((_, i) => i % 3 === 0);
      for (const { offset } of others) await small.receipts.mark(room.id, 'uma', offset, 'read');
      for (const user of ['uma', 'vic']) {
        const wanted = await recount(user);
        t.ok(wanted > 0);
        t.equal(await said(user), wanted, `${user}, round ${round}`);
        t.equal(await recount(user), wanted, 'asking marks nothing that is left');
        t.equal(await said(user), wanted, 'and is answered the same again');
      }
    }
    const [first] = await redis.zrange(keys.readRanges(room.id, 'vic'), '0', '0');
    const [oldest] = await entriesOf(room);
    t.ok(Number(first) >= Number(oldest?.offset), 'ranges that are gone are not gone through again');

    await Promise.all(upTo(150).map(() => small.log.append(draftOf(room, { sender: 'uma' }))));
    await server.ask('CONFIG SET maxmemory 1');
    t.ok(Number(await said('vic')) > 0, 'a Redis that takes no writes is asked all the same');
    await server.ask('CONFIG SET maxmemory 0');
    t.equal(await said('vic'), await recount('vic'));
  });

  t.test('moves the sender in a public room to its own message, and makes it a member', async (t) => {
    const room = await newRoom();
    for (const sender of ['ann', 'b:|b', 'ann', 'ann']) await side.log.append(draftOf(room, { sender }));
    t.strictSame(await redis.hgetall(keys.read(room.id)), { ann: '4', [encodeId('b:|b')]: '2' });
    t.strictSame(
      Object.keys(await redis.hgetall(keys.members(room.id))).sort(),
      ['ann', encodeId('b:|b')].sort(),
    );
  });

  t.test('marks no more than its own message in a direct room', async (t) => {
    const participants = ['ann', 'bob'];
    const made = await runScript(
      redis,
      scripts.createRoom,
      [keys.room(70_001)],
      ['direct', '', JSON.stringify(participants)],
    );
    const room: Room = { id: 70_001, kind: 'direct', name: '', createdMs: Number(made), participants };
    await call(
      redis,
      ['ann', 'bob', 'ann', 'ann', 'bob'].map((sender) => draftOf(room, { sender })),
    );
    t.match(await redis.hgetall(keys.read(room.id)), { ann: '1', 'ann|': '2', bob: '0', 'bob|': '2' });
    t.strictSame(await redis.zrange(keys.readRanges(room.id, 'ann'), '0', '-1', 'WITHSCORES'), ['4', '3']);
    t.strictSame(await redis.zrange(keys.readRanges(room.id, 'bob'), '0', '-1', 'WITHSCORES'), [
      '2',
      '2',
      '5',
      '5',
    ]);
    t.equal(await redis.exists(keys.members(room.id)), 0);
  });

  t.test('says at once when the queue is full, and what it refused is not stored', async (t) => {
    const room = await newRoom();
    const refused = new Set<string>();
    const outcomes = upTo(3_000).map((n) => {
      const text = `${n} `.padEnd(16_000, 'x');
      return side.log.append(draftOf(room, { text })).catch((error: ChatError) => {
        if (error.code === 'unavailable') refused.add(text);
        else if (error.code !== 'in_doubt') throw error;
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
    // What fits into 32 MiB waits, the others know at once.
    t.ok(refused.size > 900 && refused.size < 1_050, `${refused.size} of 3000 were refused at once`);
    await Promise.all(outcomes);
    // Nothing that was in doubt comes after one that is acknowledged.
    await until('it takes appends again', () => side.log.append(draftOf(room)).then(() => true), 30_000);
    const stored = await entriesOf(room);
    t.strictSame(stored.filter(({ text }) => refused.has(text)).length, 0);
    t.ok(stored.length > 0, `${stored.length} are stored`);
    t.strictSame(await faultsOf(room, stored.length), []);
  });
});
