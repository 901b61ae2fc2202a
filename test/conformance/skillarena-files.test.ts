/** Files in the skillarena document: uploading, attaching, addresses; and how other documents show them. */

import { randomBytes } from 'node:crypto';
import t from 'tap';
import { fetchObject, SAMPLES, startFileWorld, type Uploaded } from '../helpers/files.js';
import { sha256 } from '../helpers/s3.js';
import { heard } from '../helpers/skillarena.js';

const world = await startFileWorld(t, { MAX_UPLOAD_BYTES: String(6 * 1024 * 1024), MAX_UPLOAD_FILES: '3' });
const LIMIT = 6 * 1024 * 1024;
const ann = await world.person('ann');
const bob = await world.person('bob');
const eve = await world.person('eve');
const URL_FORM = /^\/mediafiles\/attachments\/\d{4}\/\d\d\/\d\d\/[0-9a-f-]{36}\.[a-z0-9]+$/;

const to = (value: string) => ({ field: 'other_user_id', value });
const file = (bytes: Uint8Array, name: string | undefined = 'a.bin', field = 'files') => ({
  field,
  name,
  bytes,
});

t.test('an upload, field by field; the chat is made by it', async (t) => {
  const { status, body } = await world.post<Uploaded>('/upload_files', ann, [
    to('bob'),
    { ...file(SAMPLES.png, 'Bild.png'), type: 'text/html' },
    file(Buffer.from('plain words'), 'notes.txt'),
  ]);
  t.equal(status, 200);
  t.same(Object.keys(body), ['status', 'chat_id', 'files']);
  t.equal(body.status, 'success');
  t.match(body.chat_id, /^\d+$/);
  const [picture, notes] = body.files;
  t.same(Object.keys(picture ?? {}), ['file_name', 'file_url', 'size', 'content_type']);
  t.match(picture, { file_name: 'Bild.png', size: SAMPLES.png.length, content_type: 'image/png' });
  t.match(picture?.file_url, URL_FORM);
  t.match(picture?.file_url, /\.png$/, 'the extension is that of the content');
  t.match(notes, { file_name: 'notes.txt', size: 11, content_type: 'application/octet-stream' });
  const chats = await world.api<{ chat_id: string }[]>('GET', '/chat_history', bob);
  t.ok(
    chats.body.some((chat) => chat.chat_id === body.chat_id),
    'the other one has the chat too',
  );
});

for (const size of [0, 1, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1, LIMIT]) {
  t.test(`a round trip of ${size} bytes`, async (t) => {
    const bytes = randomBytes(size);
    const uploaded = await world.upload(ann, 'bob', bytes, 'some.bin');
    t.equal(uploaded.size, size);
    const object = await fetchObject(await world.presigned(ann, uploaded.file_url));
    t.equal(object.status, 200);
    t.equal(object.bytes.length, size);
    t.equal(sha256(object.bytes), sha256(bytes));
  });
}

t.test('parts in any order, and more than one file', async (t) => {
  const { status, body } = await world.post<Uploaded>('/upload_files', ann, [
    file(Buffer.from('one'), '1.txt'),
    file(Buffer.from('two'), '2.txt'),
    { field: 'unknown', value: 'is ignored' },
    to('bob'),
  ]);
  t.equal(status, 200);
  t.same(
    body.files.map((each) => each.file_name),
    ['1.txt', '2.txt'],
  );
});

t.test('what is refused leaves nothing in the store', async (t) => {
  const before = world.s3.objects().length;
  const cases: [string, number, Parameters<typeof world.post>[2]][] = [
    ['one byte too many', 413, [to('bob'), file(Buffer.alloc(LIMIT + 1))]],
    ['a good file, then one too large', 413, [to('bob'), file(SAMPLES.png), file(Buffer.alloc(LIMIT + 1))]],
    ['a file too many', 413, [to('bob'), ...'abcd'.split('').map((name) => file(Buffer.from(name)))]],
    ['no file', 400, [to('bob')]],
    ['an input that was left empty', 400, [to('bob'), { field: 'files', name: '', bytes: Buffer.alloc(0) }]],
    ['nobody', 400, [file(SAMPLES.png)]],
    ['a file in another field', 400, [to('bob'), file(SAMPLES.png, 'a.png', 'other')]],
    ['an unknown user', 404, [file(SAMPLES.png), to('who-is-that')]],
    ['oneself', 400, [file(SAMPLES.png), to('ann')]],
    [
      'a name that reaches for a prototype',
      400,
      [to('bob'), { field: '__proto__', value: 'x' }, file(SAMPLES.png)],
    ],
  ];
  for (const [what, status, parts] of cases) {
    const answer = await world.post<{ detail: string }>('/upload_files', ann, parts);
    t.equal(answer.status, status, `${what}: ${answer.text}`);
    t.same(Object.keys(answer.body), ['detail'], what);
  }
  const answer = await world.api<{ detail: string }>('POST', '/upload_files', ann, { files: [] });
  t.equal(answer.status, 400, 'no form');
  t.equal((await world.post('/upload_files', 'no.good.token', [to('bob'), file(SAMPLES.png)])).status, 401);
  t.equal(world.s3.objects().length, before);
  t.same(world.s3.uploads(), [], 'no unfinished upload either');
});

t.test('a message with files: live, in history, and in every other document', async (t) => {
  const [one, two] = [
    await world.upload(ann, 'bob', SAMPLES.png, 'one.png'),
    await world.upload(ann, 'bob', SAMPLES.pdf, 'two.pdf'),
  ];
  const [mine, theirs] = [await world.socket(t, ann), await world.socket(t, bob)];
  const attachments = [one.file_url, two.file_url];
  mine.send({ type: 'message', data: { receiver_id: 'bob', message: '', attachments, ref: 7 } });
  const own = (await mine.nextOf('message')).data as Record<string, unknown>;
  const live = (await theirs.nextOf('message')).data as Record<string, unknown>;
  t.match(own, { attachments, ref: 7, message: '' });
  t.match(live, { attachments });
  const history = await world.api<{ attachments: string[] }[]>('GET', '/chat_history/ann', bob);
  t.same(history.body.at(-1)?.attachments, attachments);

  const shown = [
    { name: 'one.png', url: one.file_url, size: SAMPLES.png.length, content_type: 'image/png' },
    { name: 'two.pdf', url: two.file_url, size: SAMPLES.pdf.length, content_type: 'application/pdf' },
  ];
  const room = live.chat_id as string;
  type Shown = { attachments: unknown }[];
  const rooms = await world.api<Shown>('GET', `/api/v1/rooms/${room}/messages`, bob);
  t.same(rooms.body.at(-1)?.attachments, shown, 'rooms');
  const chats = await world.api<Shown>('GET', `/chat/chats/${room}/messages/`, bob);
  t.same(chats.body.at(-1)?.attachments, shown, 'chats');
  const list = await world.api<{ conversation_id: string; last_message: unknown }[]>(
    'GET',
    '/api/conversations',
    bob,
  );
  const { conversation_id, last_message } = list.body[0] ?? {};
  t.same((last_message as { attachments: unknown }).attachments, shown, 'conversations, the last message');
  const conversation = await world.api<Shown>('GET', `/api/conversations/${conversation_id}`, bob);
  t.same(conversation.body.at(-1)?.attachments, shown, 'conversations');
});

t.test('only files that one uploaded to this chat can be attached', async (t) => {
  const socket = await world.socket(t, ann);
  const elsewhere = await world.upload(ann, 'eve', SAMPLES.png);
  const foreign = await world.upload(bob, 'ann', SAMPLES.png);
  const good = await world.upload(ann, 'bob', SAMPLES.png);
  const unknown = good.file_url.replace(/[0-9a-f]{8}-/, '00000000-');
  const words = new Set<unknown>();
  for (const url of [elsewhere.file_url, foreign.file_url, unknown, 'x', '', `${good.file_url}x`]) {
    const attachments = [good.file_url, url];
    socket.send({
      type: 'message',
      data: { receiver_id: 'bob', message: 'hi', attachments, ref: url || 'none' },
    });
    const { data } = await socket.nextOf('error');
    words.add((data as { detail: unknown }).detail);
  }
  t.equal(words.size, 1, 'the same words for all of them');
  const many = Array.from({ length: 4 }, () => good.file_url);
  socket.send({ type: 'message', data: { receiver_id: 'bob', message: 'hi', attachments: many } });
  t.match((await socket.nextOf('error')).data, { detail: 'attachments must not be more than 3' });
  await socket.quiet(200, (frame) => frame.type === 'message');
  // By its last part, twice: one attachment.
  const last = good.file_url.split('/').at(-1);
  const data = { receiver_id: 'bob', message: 'once', attachments: [last, good.file_url] };
  socket.send({ type: 'message', data });
  t.match(await heard(socket, 'once'), { attachments: [good.file_url] });
});

t.test('addresses of files', async (t) => {
  const one = await world.upload(ann, 'bob', SAMPLES.gif, 'a.gif');
  const last = one.file_url.split('/').at(-1) as string;
  const ask = (token: string, files: unknown) =>
    world.api<{ presigned_urls?: object; detail?: string }>('POST', '/get_presigned_urls', token, { files });

  const mine = await ask(ann, [one.file_url, last]);
  t.equal(mine.status, 200);
  t.same(Object.keys(mine.body), ['presigned_urls']);
  t.same(Object.keys(mine.body.presigned_urls ?? {}), [one.file_url, last], 'under the names as given');
  t.same((await ask(ann, [])).body, { presigned_urls: {} });
  t.equal((await ask(ann, 'x')).status, 400);
  t.equal((await ask(ann, [1])).status, 400);
  t.equal((await ask('nobody', [last])).status, 401);

  const unknown = await ask(eve, [
    `/mediafiles/attachments/2024/01/01/${'0'.repeat(8)}-0000-4000-8000-000000000000.png`,
  ]);
  t.equal(unknown.status, 404);
  const refused = await ask(eve, [one.file_url]);
  t.same(
    [refused.status, refused.text],
    [unknown.status, unknown.text],
    'a stranger cannot tell it from none',
  );
  const early = await ask(bob, [one.file_url]);
  t.same([early.status, early.text], [404, unknown.text], 'nor can the other one before it is sent');
  const own = await world.upload(eve, 'bob', SAMPLES.gif);
  t.equal((await ask(eve, [own.file_url, one.file_url])).status, 404, 'one is enough to refuse all');

  const socket = await world.socket(t, ann);
  socket.send({ type: 'message', data: { receiver_id: 'bob', message: 'see', attachments: [last] } });
  await heard(socket, 'see');
  t.equal((await ask(bob, [last])).status, 200, 'now it is theirs too');
  t.equal((await ask(eve, [last])).status, 404);
});
