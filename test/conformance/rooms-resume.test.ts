/** Going on where one left: `?since=` with a message id or a cursor, on whichever node. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { framesOf, heard, type Pair, type RoomMessage, seen, shown, startPair } from '../helpers/rooms.js';
import { open, type TestSocket } from '../helpers/socket.js';
import { within } from '../helpers/wait.js';

const pair = await startPair(t, { SOCKET_RATE: '0' });

const contents = (messages: readonly RoomMessage[]): string[] => messages.map(({ content }) => content);

/** Sends `m1`, `m2` ... over one socket, not many at a time. */
async function fill(on: Pair, room: string, count: number, content = (i: number) => `m${i}`): Promise<void> {
  const writer = await on.join(room, 'writer');
  for (let i = 1; i <= count; i += 1) {
    writer.send({ type: 'text', content: content(i) });
    if (i % 50 === 0 || i === count) await heard(writer, content(i));
  }
  await writer.close();
}

async function resume(room: string, user: string, since: string): Promise<TestSocket> {
  return open(pair.socketUrl(room, user, `?since=${encodeURIComponent(since)}`), { t });
}

async function cursorOf(socket: TestSocket): Promise<string> {
  socket.send({ type: 'cursor' });
  const frame = await socket.nextOf('cursor');
  if (typeof frame.cursor !== 'string') throw new Error(`no cursor: ${JSON.stringify(frame)}`);
  return frame.cursor;
}

t.test('since a message: what came after it, in history frames of at most 500, then live', async (t) => {
  const room = await pair.room();
  await fill(pair, room, 1_250);
  const all = [...(await pair.messages(room, '?limit=1000'))];
  const oldest = all[0] as RoomMessage;
  all.unshift(...(await pair.messages(room, `?limit=1000&before=${oldest.id}`)));
  t.equal(all.length, 1_250);
  for (const node of pair.nodes) {
    const since = (all[9] as RoomMessage).id;
    const socket = await open(`${node.wsUrl}/api/v1/ws/${room}/ann?since=${since}`, { t });
    await seen(socket, (all.at(-1) as RoomMessage).content);
    const live = await pair.say(room, 'writer', `live on ${node.port}`);
    await heard(socket, live.content);
    t.same(shown(socket), [...all.slice(10), live], 'all of it once, in order');
    const sizes = framesOf(socket, 'history').map(({ messages }) => (messages as unknown[]).length);
    t.ok(
      sizes.every((size) => size <= 500),
      `${sizes}`,
    );
    t.equal(sizes[0], 500);
    all.push(live);
  }
});

t.test('since the newest message: one empty history frame, then live', async (t) => {
  const room = await pair.room();
  await pair.say(room, 'writer', 'one');
  for (const form of [(id: string) => id, (id: string) => formatUuid('message', Number(id))]) {
    const newest = await pair.say(room, 'writer', 'newest');
    const socket = await resume(room, 'ann', form(newest.id));
    t.same(await socket.next(), { type: 'history', messages: [] });
    await pair.say(room, 'writer', 'live');
    await heard(socket, 'live');
    t.same(contents(shown(socket)), ['live']);
    socket.terminate();
  }
});

t.test('no gap and no repeat while messages keep coming', async (t) => {
  const room = await pair.room();
  const total = 600;
  const sending = fill(pair, room, total);
  const readers: Promise<RoomMessage[]>[] = [];
  for (let reader = 0; reader < 6; reader += 1) {
    readers.push(
      (async () => {
        const got: RoomMessage[] = [];
        let since = '0.';
        // Away again and again, each time back on the other node.
        for (let round = 0; ; round += 1) {
          const socket = await resume(room, `reader${reader}`, since);
          const enough = Math.min(total, got.length + 40 + 25 * reader);
          const done = () => got.length + shown(socket).length >= enough;
          while (!done()) await socket.next(() => true, 20_000);
          if (round % 2 === 0) {
            // The cursor covers exactly what was sent before it.
            since = await cursorOf(socket);
            const at = socket.frames.findIndex(({ type }) => type === 'cursor');
            socket.frames.length = at;
            got.push(...shown(socket));
          } else {
            got.push(...shown(socket));
            since = got.at(-1)?.id ?? '0.';
          }
          socket.terminate();
          if (got.length >= total) return got;
        }
      })(),
    );
  }
  await within('everything is sent', sending, 60_000);
  const wanted = Array.from({ length: total }, (_, i) => `m${i + 1}`);
  for (const got of await Promise.all(readers)) t.same(contents(got), wanted);
});

t.test('the cursor: where this socket is, good on any node', async (t) => {
  const room = await pair.room();
  const empty = await pair.join(room, 'ann', '', { t });
  const start = await cursorOf(empty);
  t.match(start, /^\S{1,4096}$/);
  await fill(pair, room, 60);
  await heard(empty, 'm60'); // the writer was on the other node: now both have all of it
  const socket = await pair.join(room, 'ann', '', { t });
  t.equal(shown(socket).length, 50);
  const end = await cursorOf(socket);
  socket.send({ type: 'text', content: 'own', ref: 'r' });
  await heard(socket, 'own');
  const afterOwn = await cursorOf(socket);
  t.not(afterOwn, end);
  t.same(Object.keys(framesOf(socket, 'cursor')[0] ?? {}).sort(), ['cursor', 'type']);

  for (const [since, wanted] of [
    [start, [...Array.from({ length: 60 }, (_, i) => `m${i + 1}`), 'own']],
    [end, ['own']],
    [afterOwn, []],
  ] as const) {
    for (let node = 0; node < 2; node += 1) {
      const again = await resume(room, 'ann', since);
      const first = await again.next();
      t.equal(first.type, 'history', 'no reset');
      // On a node that is yet to hear of it, the newest one comes live.
      if (wanted.length > 0) await seen(again, 'own');
      t.same(contents(shown(again)), wanted);
    }
  }
});

t.test('a place that the log does not have: reset, then the newest page, then live', async (t) => {
  const room = await pair.room();
  // A node that is behind has another newest page: one there hears when it is not.
  const witnesses = await Promise.all([1, 2].map(() => pair.join(room, 'witness', '', { t })));
  await fill(pair, room, 55);
  for (const witness of witnesses) await heard(witness, 'm55');
  const ahead = String(foldMessageId(Number(room), 1_000));
  const foreign = await cursorOf(await pair.join(await pair.room(), 'ann', '', { t }));
  const places = [ahead, '55.another-nonce', '1000.abc', '20.x', '9999999999999999.x'];
  for (const since of places) {
    const socket = await resume(room, 'ann', since);
    t.same(await socket.next(), { type: 'reset' }, since);
    const page = await socket.nextOf('history');
    t.same(page.messages, await pair.messages(room), since);
    await pair.say(room, 'writer', `after ${since}`);
    for (const each of [socket, ...witnesses]) await heard(each, `after ${since}`);
    // The news that the writer left may come at any time.
    const types = socket.frames.map(({ type }) => type).filter((type) => type !== 'system');
    t.same(types, ['reset', 'history', 'text'], 'and nothing else');
  }
  const socket = await resume(room, 'ann', foreign);
  t.equal((await socket.next()).type, 'history', 'offset 0 is in every room');
});

t.test('a malformed since is refused before there is a socket', async (t) => {
  const room = await pair.room();
  await pair.say(room, 'writer', 'one');
  const elsewhere = await pair.say(await pair.room(), 'writer', 'elsewhere');
  const none = String(foldMessageId(Number(room), 0));
  const bad = [
    '',
    'abc',
    '-1',
    '+1',
    '01',
    '1e3',
    ' 1',
    'null',
    '.',
    '.x',
    '-1.x',
    '1.x.y',
    `1.${'x'.repeat(33)}`,
  ];
  bad.push('9007199254740993', elsewhere.id, none, formatUuid('room', 1), '1.%', '%00');
  for (const since of bad) {
    const path = `/ws/${room}/ann?since=${encodeURIComponent(since)}`;
    t.equal(await pair.refused(path), 400, since);
  }
  t.equal(await pair.refused(`/ws/${room}/ann?since=1&since=1`), 400, 'two of them');
  t.equal(await pair.refused('/ws/999999/ann?since=abc'), 404, 'the room comes first');
});

t.test('long texts: frames stay small, and nothing is lost', async (t) => {
  const room = await pair.room();
  const long = (i: number): string => `m${i} ${'x'.repeat(16_000)}`;
  await fill(pair, room, 60, long);
  const socket = await resume(room, 'ann', '0.');
  await pair.say(room, 'writer', 'live');
  await seen(socket, 'live');
  t.same(
    contents(shown(socket)).map((content) => content.split(' ')[0]),
    [...Array.from({ length: 60 }, (_, i) => `m${i + 1}`), 'live'],
  );
});
