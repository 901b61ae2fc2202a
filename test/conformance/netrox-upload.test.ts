/** Sending a file through the netrox document: the upload, the second step on the socket, and the link. */

import t from 'tap';
import { fetchObject, SAMPLES, startFileWorld } from '../helpers/files.js';
import { ENVELOPE_KEYS, HTTP_TIME, linkTo, MESSAGE_KEYS } from '../helpers/netrox.js';
import { open } from '../helpers/socket.js';
import type { Owner } from '../helpers/wait.js';

const world = await startFileWorld(t, { MAX_UPLOAD_BYTES: '100000' });
const PATH = '/chat/chat-attachment/';

interface Sent {
  entity: { message: Record<string, unknown> & { id: number; attached_file: string; thread: number } };
}

const field = (name: string, value: string) => ({ field: name, value });
const file = (bytes: Uint8Array = SAMPLES.jpeg, name = 'pexels-nappy-936119.jpg') => ({
  field: 'attached_file',
  name,
  bytes,
  type: 'image/jpeg',
});
const socketOf = (test: Owner, token: string) =>
  open(`${world.next().wsUrl}/ws/chat/room/?token=${token}`, { t: test });

t.test('the two steps, as documented', async (t) => {
  const [ann, bob] = [await world.person('1'), await world.person('2')];
  const day = () => new Date().toISOString().slice(0, 10).replaceAll('-', '/');
  const before = day();
  // With the file first: its receiver is not known when its bytes come.
  const answer = await world.post<Sent>(PATH, ann, [
    file(),
    field('message', 'Hello, this is my message'),
    field('receiver', '2'),
  ]);
  t.equal(answer.status, 201, answer.text);
  t.same(Object.keys(answer.body), ENVELOPE_KEYS);
  t.match(answer.body, {
    status: 'success',
    message: 'File uploaded and chat created successfully',
    success: true,
  });
  t.same(Object.keys(answer.body.entity), ['message']);
  const { message } = answer.body.entity;
  t.same(Object.keys(message), MESSAGE_KEYS);
  t.match(message, {
    sender: { email: '1@example.com', profile: null },
    receiver: { email: '2@example.com' },
    attached_file_size: `${(SAMPLES.jpeg.length / 1024).toFixed(2)}KB`,
    message: 'Hello, this is my message',
    created: HTTP_TIME,
    updated: HTTP_TIME,
    seen: false,
    deleted: false,
    attached_file_name: 'pexels-nappy-936119.jpg',
  });
  const today = `(${before}|${day()})`; // midnight may have come
  t.match(message.attached_file, new RegExp(`^/mediafiles/attachments/${today}/[0-9a-f-]{36}\\.jpg\\?`));

  const live = await socketOf(t, bob);
  const sending = await socketOf(t, ann);
  sending.send({ action: 'chat_message_file', message_body: 'hello there', chat_id: String(message.id) });
  const frame = await live.next((one) => one.action === 're_message_file');
  const path = message.attached_file.split('?')[0] as string;
  t.match(frame, {
    message_body: 'Hello, this is my message',
    attached_file_name: 'pexels-nappy-936119.jpg',
    attached_file_url: linkTo(path),
    created_msg_id: message.id,
  });
  // A picture in a page sends no headers: the link is enough.
  const led = await world.api('GET', frame.attached_file_url as string);
  t.equal(led.status, 302);
  const object = await fetchObject(led.headers.get('location') as string);
  t.same(object.bytes, SAMPLES.jpeg);
  t.equal(object.headers.get('content-type'), 'image/jpeg');
});

t.test('other documents see it live when it is stored', async (t) => {
  const [ann] = [await world.person('ann'), await world.person('bob')];
  const chat = await world.socket(t, await world.person('bob'));
  await world.post(PATH, ann, [field('receiver', 'bob'), field('message', 'look'), file()]);
  const { data } = await chat.nextOf('message');
  t.match(data, { message: 'look', sender_id: 'ann', attachments: [/^\/mediafiles\/attachments\//] });
});

t.test('a text may be blank or missing; the file may not', async (t) => {
  const ann = await world.person('cy');
  await world.person('dot');
  const blank = await world.post<Sent>(PATH, ann, [field('receiver', 'dot'), field('message', ''), file()]);
  t.equal(blank.status, 201);
  const missing = await world.post<Sent>(PATH, ann, [field('receiver', 'dot'), file()]);
  t.equal(missing.body.entity.message.message, '');
});

t.test('what is refused leaves nothing behind', async (t) => {
  const ann = await world.person('eve');
  const before = world.s3.objects().length;
  const cases: [string, number, Parameters<typeof world.post>[2], string?][] = [
    ['nobody', 404, [file(), field('receiver', 'who'), field('message', 'x')], 'Invalid receipient'],
    ['oneself', 404, [file(), field('receiver', 'eve')], 'Invalid receipient'],
    ['no receiver', 400, [file(), field('message', 'x')]],
    ['no file', 400, [field('receiver', '1'), field('message', 'x')]],
    ['two files', 400, [file(), file(), field('receiver', '1')]],
    ['a file too large', 413, [field('receiver', '1'), file(Buffer.alloc(100_001))]],
    ['a text too long', 400, [file(), field('receiver', '1'), field('message', 'x'.repeat(16_385))]],
  ];
  for (const [what, status, parts, words] of cases) {
    const answer = await world.post<Record<string, unknown>>(PATH, ann, parts);
    t.equal(answer.status, status, `${what}: ${answer.text}`);
    t.same(Object.keys(answer.body), ENVELOPE_KEYS, what);
    t.match(answer.body, { status: 'failure', entity: null, success: false }, what);
    if (words) t.equal(answer.body.message, words);
  }
  t.equal((await world.post(PATH, 'bad.to.ken', [file(), field('receiver', '1')])).status, 401);
  t.equal(world.s3.objects().length, before);
  const threads = await world.api<{ entity: unknown[] }>('GET', '/chat/get-user-threads/', ann);
  t.same(threads.body.entity, [], 'no thread was made');
});

t.test('the same key twice is one message with one file', async (t) => {
  const ann = await world.person('fay');
  await world.person('guy');
  const parts = [field('receiver', 'guy'), field('message', 'once'), file()];
  const before = world.s3.objects().length;
  const send = () => world.post<Sent>(PATH, ann, parts, { 'idempotency-key': 'k1' });
  const [first, second] = [await send(), await send()];
  t.equal(second.status, 201);
  t.equal(second.body.entity.message.id, first.body.entity.message.id);
  const pathOf = ({ body }: typeof first) => body.entity.message.attached_file.split('?')[0];
  t.equal(pathOf(second), pathOf(first));
  t.equal(world.s3.objects().length, before + 1, 'the second file is gone');
});
