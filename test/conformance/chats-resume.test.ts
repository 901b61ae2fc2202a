/** The chats document: a socket that comes back with `since` goes on where it was. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { type ChatMessage, framesOf, heard, keysOf, type Person, startChats } from '../helpers/chats.js';
import type { TestSocket } from '../helpers/socket.js';
import { until } from '../helpers/wait.js';

/** Messages that a writer has under way at most. */
const MAX_AHEAD = 500;

const pair = await startChats(t, { SOCKET_RATE: '0', HISTORY_ON_CONNECT: '3' });

async function cursorOf(socket: TestSocket): Promise<string> {
  socket.send({ type: 'cursor' });
  return (await socket.nextOf('cursor')).cursor as string;
}

async function chatWith(n: number): Promise<{ ann: Person; bob: Person; chat: number; sent: ChatMessage[] }> {
  const [ann, bob] = [await pair.person(), await pair.person()];
  const chat = await pair.chat(ann, bob);
  const sent: ChatMessage[] = [];
  for (let i = 0; i < n; i += 1) sent.push(await pair.say(chat, i % 2 ? bob : ann, `m${i}`));
  return { ann, bob, chat, sent };
}

function asFrames(messages: readonly ChatMessage[]): object[] {
  return messages.map((message) => ({ type: 'message', ...message }));
}

t.test('since a message: what came after it, as it is now, then what comes', async (t) => {
  const { ann, bob, chat, sent } = await chatWith(6);
  await pair.read(sent[2] as ChatMessage, bob);
  await pair.read(sent[3] as ChatMessage, ann);
  const now = await pair.messages(chat, ann);
  t.same(
    now.map(({ is_read }) => is_read),
    [false, false, true, true, false, false],
  );
  for (const since of [sent[1]?.id, formatUuid('message', sent[1]?.id as number)]) {
    const socket = await pair.join(t, chat, ann, `?since=${since}`);
    const live = await pair.say(chat, bob, `live after ${since}`);
    await heard(socket, live.content);
    t.same(socket.frames.slice(0, 4), asFrames(now.slice(2)), 'with the same is_read as in the list');
    t.same(socket.frames.at(-1), { type: 'message', ...live });
  }
  const last = (await pair.messages(chat, ann)).at(-1) as ChatMessage;
  const socket = await pair.join(t, chat, ann, `?since=${last.id}`);
  await pair.say(chat, ann, 'the next');
  await heard(socket, 'the next');
  t.equal(socket.frames.length, 1);
});

t.test('since a cursor: handed out by any socket, good on any node, from the empty chat on', async (t) => {
  const { ann, bob, chat } = await chatWith(0);
  const socket = await pair.join(t, chat, ann);
  const empty = await cursorOf(socket);
  t.same(keysOf(socket.frames[0]), ['cursor', 'type']);
  const sent = [await pair.say(chat, bob, 'one'), await pair.say(chat, ann, 'two')];
  await heard(socket, 'two');
  const two = await cursorOf(socket);
  t.not(two, empty);
  sent.push(await pair.say(chat, bob, 'three'));
  for (const [cursor, expected] of [
    [empty, sent],
    [two, sent.slice(2)],
  ] as const) {
    t.ok(cursor.length < 100 && encodeURIComponent(cursor) === cursor, cursor);
    for (let i = 0; i < 2; i += 1) {
      const back = await pair.join(t, chat, ann, `?since=${cursor}`);
      await heard(back, 'three');
      t.same(back.frames, asFrames(expected));
    }
  }
});

t.test('a place that is not there: one reset, then the newest page, then what comes', async (t) => {
  const { ann, bob, chat, sent } = await chatWith(5);
  const cursor = await cursorOf(await pair.join(t, chat, ann));
  const other = cursor.replace(/[^.]$/, (last) => (last === 'A' ? 'B' : 'A'));
  const beyond = foldMessageId(chat, 500);
  for (const since of [other, beyond, `500.${'x'.repeat(16)}`]) {
    const socket = await pair.join(t, chat, ann, `?since=${since}`);
    await heard(socket, 'm4');
    t.same(socket.frames, [{ type: 'reset' }, ...asFrames(sent.slice(2))], String(since));
  }
  const socket = await pair.join(t, chat, ann, `?since=${other}`);
  const live = await pair.say(chat, bob, 'live');
  await heard(socket, 'live');
  t.same(socket.frames.at(-1), { type: 'message', ...live });
  t.equal(framesOf(socket, 'reset').length, 1);
});

t.test('a long absence, and one’s own messages, are made up for', async (t) => {
  const { ann, bob, chat, sent } = await chatWith(1);
  const writer = await pair.join(t, chat, bob);
  for (let i = 0; i < 1_500; i += 1) writer.send({ type: 'message', content: `w${i}` });
  await until('all are stored', () => writer.frames.length === 1_500, 20_000);
  const back = await pair.join(t, chat, ann, `?since=${sent[0]?.id}`);
  back.send({ type: 'message', content: 'while I read', ref: 'mine' });
  await heard(back, 'while I read');
  const all = await pair.messages(chat, ann);
  t.equal(all.length, 1_502);
  t.same(
    back.frames,
    asFrames(all.slice(1)).map((frame, i) => (i === 1_500 ? { ...frame, ref: 'mine' } : frame)),
  );
});

t.test('coming and going between the nodes while others write: all of it, once, in order', async (t) => {
  const { ann, bob, chat, sent } = await chatWith(1);
  const writer = await pair.join(t, chat, bob);
  let writing = true;
  const written = (async () => {
    let count = 0;
    while (writing) {
      // Never far ahead of the node: on a busy machine all of it would have to be waited for in the end.
      if (count - writer.frames.length < MAX_AHEAD) {
        writer.send({ type: 'message', content: `w${count}` });
        count += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return count;
  })();
  const seen: unknown[] = [];
  let since: string | number | undefined = sent[0]?.id;
  for (let i = 0; i < 30; i += 1) {
    const socket = await pair.join(t, chat, ann, `?since=${since}`);
    await socket.nextOf('message', 15_000);
    if (i % 3 === 0) since = await cursorOf(socket);
    if (i % 3 === 1) await socket.close();
    else socket.terminate();
    await socket.closed;
    const messages = framesOf(socket, 'message');
    // What came after the cursor's answer comes again, by the client's own choice.
    const upTo =
      i % 3 === 0 ? socket.frames.findIndex(({ type }) => type === 'cursor') : socket.frames.length;
    const kept = socket.frames.slice(0, upTo).filter(({ type }) => type === 'message');
    if (i % 3 !== 0) since = messages.at(-1)?.id as number;
    seen.push(...kept.map(({ id }) => id));
  }
  writing = false;
  const count = await written;
  await heard(writer, `w${count - 1}`);
  const socket = await pair.join(t, chat, ann, `?since=${since}`);
  await pair.say(chat, bob, 'the end');
  await heard(socket, 'the end');
  seen.push(...socket.frames.map(({ id }) => id));
  t.same(
    seen,
    (await pair.messages(chat, ann)).slice(1).map(({ id }) => id),
  );
});
