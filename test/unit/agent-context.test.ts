/** What a model is told, from a real log. */

import t from 'tap';
import { contextOf, tokensOf } from '../../src/agent/context.js';
import type { Turn } from '../../src/agent/model.js';
import { answerVia } from '../../src/core/agent.js';
import { AGENT_USER } from '../../src/core/ids.js';
import type { Message, Room } from '../../src/core/model.js';
import { nonceSource } from '../../src/core/nonce.js';
import { redisSide } from '../helpers/hub.js';
import { startRedis } from '../helpers/redis.js';

const side = redisSide(t, await startRedis(t));
const nonce = nonceSource();

/** A room in which this was said: by ann, or as the answer to the question with this offset. */
async function talk(...said: (string | [question: number, text: string])[]): Promise<Room> {
  const room = await side.rooms.createAgent('ann');
  for (const part of said) {
    const [question, text] = typeof part === 'string' ? [undefined, part] : part;
    const by =
      question === undefined
        ? { sender: 'ann', via: 'rooms' }
        : { sender: AGENT_USER, via: answerVia(question) };
    await side.log.append({
      room,
      text,
      ...by,
      attachments: [],
      nonce: nonce(),
      key: undefined,
      profile: undefined,
    });
  }
  return room;
}

async function told(room: Room, question: number, budget = 1_000, prompt = ''): Promise<Turn[] | undefined> {
  const asked = (await side.log.readOne(room.id, question)) as Message;
  return contextOf({ log: side.log, budget, prompt }, room, asked);
}

const texts = (turns: Turn[] | undefined) => turns?.map(({ role, text }) => `${role}: ${text}`);

t.test('the conversation up to the question, with the prompt before it', async (t) => {
  const room = await talk('a', [1, 'A'], 'b', [3, 'B'], 'c');
  t.same(texts(await told(room, 5, 1_000, 'Be kind.')), [
    'system: Be kind.',
    'user: a',
    'assistant: A',
    'user: b',
    'assistant: B',
    'user: c',
  ]);
  t.same(texts(await told(await talk('only'), 1)), ['user: only']);
});

t.test('an answer stands behind its question, and what was asked later is left out', async (t) => {
  const room = await talk('a', 'b', 'c', [1, 'A']);
  t.same(texts(await told(room, 2)), ['user: a', 'assistant: A', 'user: b']);
  const more = await talk('a', 'b', 'c', [1, 'A'], [2, 'B']);
  t.same(texts(await told(more, 3)), ['user: a', 'assistant: A', 'user: b', 'assistant: B', 'user: c']);
});

t.test('a question that has an answer is not asked', async (t) => {
  const room = await talk('a', 'b', [1, 'A'], 'c', [2, 'B']);
  t.equal(await told(room, 1), undefined);
  t.equal(await told(room, 2), undefined);
  t.ok(await told(room, 4));
});

t.test('the newest that fit, whatever the script, beginning with the person', async (t) => {
  const long = 'word '.repeat(60);
  const room = await talk(
    ...Array.from({ length: 40 }, (_, i): string | [number, string] =>
      i % 2 === 0 ? `${i} ${long}` : [i, `${i} ${long}`],
    ),
    'now',
  );
  for (const budget of [100, 250, 500, 1_000, 3_000]) {
    const turns = (await told(room, 41, budget)) as Turn[];
    const used = turns.reduce((sum, { text }) => sum + tokensOf(text), 0);
    t.ok(used <= budget, `${used} of ${budget}`);
    t.equal(turns[0]?.role, 'user');
    t.equal(turns.at(-1)?.text, 'now');
    t.same(
      turns.map(({ role }) => role),
      turns.map((_, i) => (i % 2 === 0 ? 'user' : 'assistant')),
    );
  }
  t.ok(((await told(room, 41, 1_000)) as Turn[]).length > ((await told(room, 41, 500)) as Turn[]).length);
  t.ok(tokensOf('漢字'.repeat(100)) >= 200, 'a character of three bytes is a token');
});

t.test('a question that is longer than the budget is cut between characters', async (t) => {
  const room = await talk('before', [1, 'Before'], '€'.repeat(1_000));
  const turns = (await told(room, 3, 100)) as Turn[];
  t.same(
    turns.map(({ role }) => role),
    ['user'],
  );
  t.match(turns[0]?.text, /^€+$/);
  t.ok(tokensOf(turns[0]?.text ?? '') <= 100);
});

t.test('a long log is read as far as it is needed', async (t) => {
  const room = await talk(
    ...Array.from({ length: 300 }, (_, i): string | [number, string] => (i % 2 === 0 ? `${i}` : [i, `${i}`])),
    'now',
  );
  const reads: number[] = [];
  const log = Object.create(side.log) as typeof side.log;
  log.readBefore = (id, upTo, count) => {
    reads.push(upTo);
    return side.log.readBefore(id, upTo, count);
  };
  const asked = (await side.log.readOne(room.id, 301)) as Message;
  t.equal(
    (await contextOf({ log, budget: 100_000, prompt: '' }, room, asked))?.length,
    301,
    'all of it fits',
  );
  const all = reads.splice(0).length;
  await contextOf({ log, budget: 100, prompt: '' }, room, asked);
  t.ok(reads.length === 1 && all > 4, `${reads.length} and ${all} reads`);
});
