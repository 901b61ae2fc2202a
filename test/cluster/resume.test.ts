import t from 'tap';
import { foldMessageId } from '../../src/core/ids.js';
import {
  type ChatMessage,
  createRoom,
  faultsIn,
  messagesIn,
  offsetOf,
  post,
  received,
  socketUrl,
  startNodes,
} from '../helpers/chat.js';
import { Member } from '../helpers/member.js';
import type { TestNode } from '../helpers/node.js';
import { connect, open, type TestSocket } from '../helpers/socket.js';
import { startAnyRedis } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

const PAGE = 500;

t.test('a client that was away', async (t) => {
  const redis = await startAnyRedis(t);
  const nodes = await startNodes(t, 2, { ...redis.env });
  const [a, b] = nodes as [TestNode, TestNode];

  /** A room with `count` messages of one person on node A. */
  const roomWith = async (
    count: number,
  ): Promise<{ room: string; writer: TestSocket; say: (n: number) => Promise<void> }> => {
    const room = await createRoom(a);
    const writer = await open(socketUrl(a, room, 'writer'), { t });
    let said = 0;
    const say = async (n: number) => {
      said += n;
      for (let i = said - n; i < said; i += 1) writer.send({ type: 'text', content: `message ${i + 1}` });
      await until(`${said} echoes`, () => received(writer).length >= said, 30_000);
    };
    await say(count);
    return { room, writer, say };
  };
  const cursorOf = async (socket: TestSocket): Promise<string> => {
    socket.send({ type: 'cursor' });
    return String((await socket.nextOf('cursor')).cursor);
  };
  /** Everything a socket is sent until it has `count` messages. */
  const take = async (socket: TestSocket, count: number): Promise<ChatMessage[]> => {
    await until(`${count} messages`, () => received(socket).length >= count, 30_000);
    return received(socket);
  };

  t.test('comes back to the other node by message id: pages of history, then live', async (t) => {
    const { room, writer, say } = await roomWith(3);
    const reader = await open(socketUrl(b, room, 'reader'), { t });
    const seen = await take(reader, 3);
    await reader.close();
    await say(1_200);
    const back = await open(socketUrl(a, room, 'reader', seen.at(-1)?.id), { t });
    await take(back, 1_200);
    await say(5);
    const missed = await take(back, 1_205);
    t.strictSame(faultsIn(missed, 4), [], 'no hole, no repeat');
    const pages = back.frames
      .filter((frame) => frame.type === 'history')
      .map((frame) => messagesIn(frame).length);
    t.ok(pages.length >= 3 && pages.every((n) => n <= PAGE), `at most ${PAGE} messages in a frame: ${pages}`);
    t.equal(
      pages.reduce((sum, n) => sum + n, 0),
      1_200,
      'what was missed came as history',
    );
    t.equal(
      back.frames.findLastIndex((frame) => frame.type === 'history') <
        back.frames.findIndex((frame) => frame.type === 'text'),
      true,
      'history first',
    );
    writer.terminate();
  });

  t.test('comes back by cursor, and misses nothing of what its own cursor does not cover', async (t) => {
    const { room, say } = await roomWith(20);
    const reader = await open(socketUrl(b, room, 'reader'), { t });
    await take(reader, 20);
    const cursor = await cursorOf(reader);
    t.match(cursor, /^20\.[\w-]+$/, 'an offset with its nonce');
    reader.terminate();
    await say(30);
    const back = await open(socketUrl(a, room, 'reader', cursor), { t });
    t.strictSame(faultsIn(await take(back, 30), 21), []);
  });

  t.test('with nothing missed gets an empty page, and what comes', async (t) => {
    const { room, say } = await roomWith(2);
    const back = await open(socketUrl(b, room, 'reader', String(foldMessageId(Number(room), 2))), { t });
    t.strictSame(messagesIn(await back.nextOf('history')), []);
    await say(1);
    t.strictSame(faultsIn(await take(back, 1), 3), []);
  });

  t.test('from before the first message gets all of it', async (t) => {
    const { room } = await roomWith(60);
    const back = await open(socketUrl(b, room, 'reader', '0.'), { t });
    t.strictSame(faultsIn(await take(back, 60), 1), [], 'more than the newest page');
  });

  t.test('is not confused by messages that come while it resumes', async (t) => {
    const { room, writer } = await roomWith(5);
    let talking = true;
    let sent = 5;
    const talk = (async () => {
      while (talking) {
        sent += 20;
        for (let i = sent - 20; i < sent; i += 1) writer.send({ type: 'text', content: `message ${i + 1}` });
        await sleep(5);
        // Not faster than the service takes it, or the wanderers would never come to an end.
        await until('the echoes', () => writer.frames.length > sent - 500, 30_000, 2);
      }
    })();
    // Each goes to and fro between the nodes as fast as it can, always from where it was.
    const wanderers = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((i) => Member.join(t, { nodes, room, user: `wanderer-${i}`, first: i })),
    );
    for (let round = 0; round < 12; round += 1) {
      const before = wanderers.map((one) => one.last);
      await until(
        'each is back, and got something',
        () => wanderers.every((one, i) => one.open && one.last > (before[i] as number)),
        20_000,
      );
      for (const one of wanderers) one.cut();
    }
    talking = false;
    await talk;
    await until('all have the last one', () => wanderers.every((one) => one.last >= sent), 30_000);
    t.strictSame(
      wanderers.flatMap((one) => one.faults),
      [],
      'no hole, no repeat',
    );
    t.equal(
      wanderers.reduce((sum, one) => sum + one.resets, 0),
      0,
      'nobody had to start over',
    );
    await until(
      'all were away twelve times',
      () => wanderers.every((one) => one.closes.length >= 12),
      20_000,
    );
    t.strictSame(faultsIn(received(writer), 1), []);
  });

  t.test('whose place is gone starts over, and is told so once', async (t) => {
    const { room, say } = await roomWith(70);
    const own = Number(room);
    const places = {
      'a message id beyond the head': String(foldMessageId(own, 5_000)),
      'a cursor beyond the head': '5000.somenonce1',
      'a cursor of another history': '30.somenonce1',
      'a cursor of another history at the head': '70.somenonce1',
    };
    for (const [what, since] of Object.entries(places)) {
      for (const node of [a, b]) {
        const back = await open(socketUrl(node, room, 'reader', since), { t });
        // Who joins or leaves may be announced at any time.
        const frames = () => back.frames.filter(({ type }) => type !== 'system');
        await until(`${what}: the page`, () => frames().length >= 2);
        t.strictSame(
          frames().map(({ type }) => type),
          ['reset', 'history'],
          what,
        );
        t.strictSame(
          messagesIn(frames()[1] as never).map(offsetOf),
          Array.from({ length: 50 }, (_, i) => 21 + i),
          'the newest page',
        );
        await back.close();
      }
    }
    const late = await open(socketUrl(b, room, 'reader', places['a cursor of another history']), { t });
    await take(late, 50);
    await say(2);
    t.strictSame((await take(late, 52)).slice(50).map(offsetOf), [71, 72], 'and is live after it');
  });

  t.test('to a node that has not seen the room yet, or less of it, misses nothing', async (t) => {
    const { room } = await roomWith(1);
    for (let i = 0; i < 20; i += 1) {
      const message = await post(a, room, 'writer', `posted ${i}`);
      // The answer may be here before the other node has heard of it.
      const back = await open(socketUrl(b, room, 'reader', message.id), { t });
      const first = await back.next(({ type }) => type !== 'system');
      t.notMatch(first, { type: 'reset' }, 'known by the log, if not by the node');
      back.terminate();
    }
  });

  t.test('with a place that is none is refused', async (t) => {
    const { room } = await roomWith(1);
    const other = foldMessageId(Number(room) + 1, 1);
    for (const since of ['x', '-1', '1e3', '', '1.a b', String(other), '99999999999999999999']) {
      const socket = connect(socketUrl(b, room, 'reader', since), { t });
      t.equal(await socket.upgradeStatus, 400, JSON.stringify(since));
    }
  });

  t.test("who sends at once sees its own messages once, in the log's order", async (t) => {
    const { room } = await roomWith(600);
    const back = connect(socketUrl(b, room, 'reader', '0.'), { t });
    await back.opened;
    for (let i = 0; i < 20; i += 1) back.send({ type: 'text', content: `mine ${i}`, ref: i });
    const all = await take(back, 620);
    t.strictSame(faultsIn(all, 1), []);
    t.strictSame(
      all.slice(600).map(({ ref }) => ref),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });
});
