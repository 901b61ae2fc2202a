/** Frames of the rooms socket that are not as they should be, and the echo of `ref`. */

import t from 'tap';
import { framesOf, heard, SECONDS, startPair } from '../helpers/rooms.js';
import type { Frame, TestSocket } from '../helpers/socket.js';

const pair = await startPair(t, { SOCKET_RATE: '0' });

const text = (content: unknown, more: object = {}): object => ({ type: 'text', content, ...more });

let asked = 0;

/** News of who came: it may come at any time, and is no answer to anything. */
const isNews = ({ content }: Frame): boolean => /^User \w+ joined the chat$/.test(String(content));

/** What the server answers to one frame: everything up to the error for a blank text sent right after it. */
async function answers(socket: TestSocket, frame: object | string | Buffer): Promise<Frame[]> {
  const before = socket.frames.length;
  asked += 1;
  const ref = `end of ${asked}`;
  socket.send(frame);
  socket.send(text('', { ref }));
  const end = await socket.next((one) => one.type === 'error' && one.ref === ref);
  return socket.frames.slice(before, socket.frames.indexOf(end)).filter((one) => !isNews(one));
}

/** Each with the `ref` that its error repeats, where it has one. */
const BAD: [what: string, frame: object | string | Buffer, ref?: string | number][] = [
  ['not JSON', 'hello'],
  ['nothing', ''],
  ['half of an object', '{"type":"text","content":"a"'],
  ['two objects', '{"type":"text","content":"a"}{}'],
  ['single quotes', "{'type':'text','content':'a'}"],
  ['an array', [text('a')]],
  ['an empty array', '[]'],
  ['a number', '1'],
  ['a huge number', '1e999'],
  ['null', 'null'],
  ['true', 'true'],
  ['a string', '"text"'],
  ['deep nesting', '['.repeat(100_000)],
  ['deep nesting, closed', `${'[1,'.repeat(25_000)}1${']'.repeat(25_000)}`],
  ['no type', { content: 'a' }],
  ['an unknown type', { type: 'image', content: 'a' }],
  ['a type of the server', { type: 'history', messages: [] }],
  ['a system message', { type: 'system', content: 'User ann left the chat' }],
  ['a type that is no string', { type: ['text'], content: 'a' }],
  ['a type in capitals', { type: 'TEXT', content: 'a' }],
  ['a type of the prototype', { type: 'constructor', content: 'a' }],
  ['the prototype set', '{"__proto__":{"type":"text","content":"a"}}'],
  ['no content', { type: 'text' }],
  ['no content, with a ref', { type: 'text', ref: 'r1' }, 'r1'],
  ['content null', text(null, { ref: 'r2' }), 'r2'],
  ['content a number', text(5, { ref: 7 }), 7],
  ['content an object', text({ toString: 'a' })],
  ['content an array', text(['a'])],
  ['content empty', text('', { ref: 0 }), 0],
  ['content blank', text(' \t\r\n\u00a0\u2003')],
  ['content too long', text('x'.repeat(16_385), { ref: 'long' }), 'long'],
  ['content too long in bytes', text('é'.repeat(8_193))],
  ['half a character', '{"type":"text","content":"\\ud83d","ref":"half"}', 'half'],
  ["another's user id", text('a', { user_id: 'bob', ref: 'not me' }), 'not me'],
  ['a user id of null', text('a', { user_id: null })],
  ['a user id in another case', text('a', { user_id: 'ANN' })],
  ['a user id in an array', text('a', { user_id: ['ann'] })],
  ['a ref that is an object', text('a', { ref: {} })],
  ['a ref that is an array', text('a', { ref: ['r'] })],
  ['a ref that is true', text('a', { ref: true })],
  ['a ref that is no whole number', text('a', { ref: 1.5 }), 1.5],
  ['a ref past 2^53', text('a', { ref: 2 ** 53 }), 2 ** 53],
  ['an empty ref', text('a', { ref: '' }), ''],
  ['a long ref', text('a', { ref: 'r'.repeat(256) }), 'r'.repeat(256)],
  ['half a character for a ref', '{"type":"text","content":"a","ref":"\\udc00"}', '\udc00'],
  ['a bad ref on a bad frame', { type: 'nope', ref: [] }],
  ['bytes', Buffer.from('{"type":"text","content":"a"}')],
  ['bytes that are no text', Buffer.from([0, 255, 254])],
  ['no bytes', Buffer.alloc(0)],
];

t.test('a bad frame gets one error frame, is not stored, and nobody else hears of it', async (t) => {
  const room = await pair.room();
  const ann = await pair.join(room, 'ann', '', { t });
  const bob = await pair.join(room, 'bob', '', { t });
  for (const [what, frame, ref] of BAD) {
    const came = await answers(ann, frame);
    t.equal(came.length, 1, `${what}: ${JSON.stringify(came)}`);
    const { type, detail, ...rest } = came[0] ?? {};
    t.equal(type, 'error', what);
    t.ok(typeof detail === 'string' && detail !== '', what);
    t.same(rest, ref === undefined ? {} : { ref }, what);
  }
  ann.send(text('still open'));
  await heard(ann, 'still open');
  await heard(bob, 'still open');
  t.equal((await pair.messages(room)).length, 1, 'nothing else was stored');
  const heardOf = bob.frames.filter((frame) => !isNews(frame));
  t.same(
    heardOf.map(({ type }) => type),
    ['history', 'text'],
  );
});

t.test(
  'a frame too big closes with 1009, text that is no UTF-8 with 1007, and nobody else notices',
  async (t) => {
    const room = await pair.room();
    const bob = await pair.join(room, 'bob', '', { t });
    const limit = 6 * 16_384 + 4_096;
    const fits = await pair.join(room, 'ann', '', { t });
    t.equal((await answers(fits, ' '.repeat(limit)))[0]?.type, 'error', 'the largest frame is read');
    const big = await pair.join(room, 'ann', '', { t });
    big.send(' '.repeat(limit + 1));
    t.equal((await big.closed).code, 1009);
    const bytes = await pair.join(room, 'ann', '', { t });
    bytes.send(Buffer.alloc(limit + 1));
    t.equal((await bytes.closed).code, 1009);
    const parts = await pair.join(room, 'ann', '', { t });
    for (let i = 0; i < 5; i += 1) parts.ws.send(' '.repeat(30_000), { fin: i === 4 });
    t.equal((await parts.closed).code, 1009, 'in fragments too');
    const broken = await pair.join(room, 'ann', '', { t });
    broken.ws.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    t.equal((await broken.closed).code, 1007);
    fits.send(text('both are here'));
    await heard(bob, 'both are here');
    t.equal((await pair.messages(room)).length, 1);
  },
);

t.test('ref comes back to the sending socket alone', async (t) => {
  const room = await pair.room();
  const ann = await pair.join(room, 'ann', '', { t });
  const annToo = await pair.join(room, 'ann', '', { t });
  const bob = await pair.join(room, 'bob', '', { t });
  const refs = ['r1', 2, 0, -5, Number.MAX_SAFE_INTEGER, ' ', 'ü"\\\n😀', 'r'.repeat(255), '__proto__'];
  for (const ref of refs) {
    const content = `with ${JSON.stringify(ref)}`;
    ann.send(text(content, { ref }));
    const { ref: back, ...rest } = await heard(ann, content);
    t.equal(back, ref, 'as it was given');
    t.match(rest.created_at, SECONDS);
    for (const other of [annToo, bob]) t.same(await heard(other, content), rest, 'the others do not see it');
  }
  ann.send(text('null', { ref: null }));
  t.notOk('ref' in (await heard(ann, 'null')), 'null is none');
});

t.test('a ref sent again stores nothing and answers that socket only', async (t) => {
  const room = await pair.room();
  const other = await pair.room();
  const ann = await pair.join(room, 'ann', '', { t });
  const annToo = await pair.join(room, 'ann', '', { t });
  const bob = await pair.join(room, 'bob', '', { t });
  ann.send(text('first', { ref: 'k' }));
  const first = await heard(ann, 'first');

  ann.send(text('second try', { ref: 'k' }));
  t.same(await heard(ann, 'first'), first, 'the first message, with the ref');
  await heard(annToo, 'first');
  annToo.send(text('third try', { ref: 'k' }));
  t.same(await heard(annToo, 'first'), first, 'from another socket on another node too');
  // The same key by HTTP: one namespace per user and room.
  const { ref: _, ...plain } = first;
  const byHttp = await pair.say(room, 'ann', 'fourth try', { headers: { 'idempotency-key': 'k' } });
  t.same(byHttp, plain);

  bob.send(text('of bob', { ref: 'k' }));
  t.not((await heard(bob, 'of bob')).id, first.id);
  const elsewhere = await pair.join(other, 'ann', '', { t });
  elsewhere.send(text('elsewhere', { ref: 'k' }));
  await heard(elsewhere, 'elsewhere');

  ann.send(text('the end'));
  for (const socket of [ann, annToo, bob]) await heard(socket, 'the end');
  const seen = (socket: TestSocket) => framesOf(socket, 'text').map(({ content }) => content);
  t.same(seen(ann), ['first', 'first', 'of bob', 'the end']);
  t.same(seen(annToo), ['first', 'first', 'of bob', 'the end']);
  t.same(seen(bob), ['first', 'of bob', 'the end'], 'the others hear it once');
  t.equal((await pair.messages(room)).length, 3);
});

t.test('sends of one socket are stored in their order, refs and errors between them', async (t) => {
  const room = await pair.room();
  const ann = await pair.join(room, 'ann', '', { t });
  const bob = await pair.join(room, 'bob', '', { t });
  for (let i = 0; i < 90; i += 1) {
    if (i % 10 === 9) ann.send(text('', { ref: i }));
    else ann.send(text(`m${i}`, { ref: i }));
  }
  await heard(ann, 'm88');
  await heard(bob, 'm88');
  const wanted = Array.from({ length: 90 }, (_, i) => i).filter((i) => i % 10 !== 9);
  t.same(
    framesOf(ann, 'text').map(({ ref }) => ref),
    wanted,
  );
  t.same(
    (await pair.messages(room, '?limit=1000')).map(({ content }) => content),
    wanted.map((i) => `m${i}`),
  );
  t.same(
    framesOf(bob, 'text').map(({ content }) => content),
    wanted.map((i) => `m${i}`),
  );
  await ann.next((frame) => frame.type === 'error' && frame.ref === 89);
  t.same(
    framesOf(ann, 'error').map(({ ref }) => ref),
    [9, 19, 29, 39, 49, 59, 69, 79, 89],
  );
});
