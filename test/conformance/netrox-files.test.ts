/** Messages with files in the netrox document: in histories, announced on the socket, and read from the log. */

import t from 'tap';
import { foldMessageId } from '../../src/core/ids.js';
import type { Attachment, Message } from '../../src/core/model.js';
import {
  HTTP_TIME,
  heard,
  linkTo,
  MESSAGE_KEYS,
  type Person,
  SOCKET_TIME,
  settled,
  startPair,
} from '../helpers/netrox.js';
import type { TestSocket } from '../helpers/socket.js';

const pair = await startPair(t);

const JPG = '/mediafiles/attachments/2024/14/17/4908f104-b77b-4677-b563-b693a893fef3.jpg';
const photo: Attachment = {
  file: JPG,
  name: 'pexels-nappy-936119.jpg',
  size: 88_812,
  contentType: 'image/jpeg',
};
const note: Attachment = {
  file: '/mediafiles/attachments/n.txt',
  name: 'n.txt',
  size: 5,
  contentType: 'text/plain',
};

const FILE_KEYS = [
  'message_body',
  'attached_file_name',
  'attached_file_size',
  'attached_file_url',
  'sender_id',
  'receiver_id',
  'timestamp',
  'created_msg_id',
  'action',
];

const idOf = (message: Message): number => foldMessageId(message.room, message.offset);
const announce = (chat_id: unknown, more: object = {}): object => ({
  action: 'chat_message_file',
  chat_id,
  ...more,
});

/** A message with files, as an upload stores it. */
function upload(
  from: Person,
  to: Person,
  text: string,
  attachments = [photo],
  via = 'netrox',
): Promise<Message> {
  return pair.core.say({ from: from.id, to: to.id, text, via, attachments });
}

let fences = 0;

/** All frames that the sockets got up to a message that is stored now. */
async function upToNow(from: Person, to: Person, sockets: readonly TestSocket[]) {
  fences += 1;
  const text = `fence ${fences}`;
  await pair.core.say({ from: from.id, to: to.id, text, via: 'chats' });
  return Promise.all(
    sockets.map(async (socket) => {
      await heard(socket, text);
      return (await settled(socket)).filter((frame) => !String(frame.message_body).startsWith('fence '));
    }),
  );
}

t.test("the document's example: in the history at once, on the sockets when it is announced", async (t) => {
  const ann = await pair.person('87c8b8e2-3efc-4a4a-b667-1f9c0d7e8437');
  const bob = await pair.person('96bf0d3f-720d-4620-8dee-0f59f997cb51');
  const cid = await pair.socket(t, await pair.person('file-cid'));
  await upload(bob, ann, 'a thread');
  const sockets = await Promise.all([ann, ann, bob, bob].map((person) => pair.socket(t, person)));
  const message = await upload(ann, bob, 'Hello, this is my message');

  const [shown] = await pair.messages(bob, ann.id, '?limit=1');
  t.same(Object.keys(shown ?? {}), MESSAGE_KEYS);
  t.match(shown, {
    id: idOf(message),
    attached_file_size: '86.73KB',
    message: 'Hello, this is my message',
    updated: HTTP_TIME,
    created: HTTP_TIME,
    attached_file: linkTo(JPG),
    attached_file_name: 'pexels-nappy-936119.jpg',
  });
  t.same(await upToNow(ann, bob, sockets), [[], [], [], []], 'it waits');

  const [announcing, ...others] = sockets as [TestSocket, ...TestSocket[]];
  announcing.send({
    action: 'chat_message_file',
    message_body: 'hello there',
    chat_id: String(idOf(message)),
  });
  for (const socket of others) {
    const frame = await heard(socket, 'Hello, this is my message');
    t.same(Object.keys(frame), FILE_KEYS);
    t.match(frame.timestamp, SOCKET_TIME);
    t.match(frame.attached_file_url, linkTo(JPG));
    t.same(frame, {
      message_body: 'Hello, this is my message',
      attached_file_name: 'pexels-nappy-936119.jpg',
      attached_file_size: '86.73KB',
      attached_file_url: frame.attached_file_url,
      sender_id: ann.id,
      receiver_id: bob.id,
      timestamp: frame.timestamp,
      created_msg_id: idOf(message),
      action: 're_message_file',
    });
  }
  t.same(
    (await upToNow(ann, bob, sockets)).map((frames) => frames.length),
    [0, 1, 1, 1],
    'not back to who announced it',
  );
  t.same(await settled(cid), []);
});

t.test('announced again, by number or from another socket: shown once, acknowledged each time', async (t) => {
  const [ann, bob] = await pair.couple('again');
  const [one, two, receiving] = (await Promise.all(
    [ann, ann, bob].map((person) => pair.socket(t, person)),
  )) as [TestSocket, TestSocket, TestSocket];
  await pair.core.say({ from: bob.id, to: ann.id, text: 'a thread', via: 'chats' });
  await Promise.all([one, two, receiving].map((socket) => heard(socket, 'a thread')));
  const message = await upload(ann, bob, '');
  for (const [socket, ref] of [
    [one, 'a'],
    [one, 'b'],
    [two, 'c'],
  ] as const) {
    // Who announces it before it was shown to them does not see it: its announcement is on its way to another node.
    if (socket === two) await two.next((frame) => frame.action === 're_message_file');
    socket.send(announce(idOf(message), { ref }));
    const ack = await socket.next((frame) => frame.action === 'ack');
    t.same(Object.keys(ack), ['action', 'ref', 'created_msg_id', 'timestamp']);
    t.match(ack, { ref, created_msg_id: idOf(message), timestamp: SOCKET_TIME });
  }
  const frames = await upToNow(ann, bob, [one, two, receiving]);
  const files = frames.map((list) => list.filter((frame) => frame.action === 're_message_file'));
  t.same(
    files.map((list) => list.length),
    [0, 1, 1],
  );
  t.equal(files[2]?.[0]?.message_body, '', 'a file without words');
});

t.test('several files: the first in the documented fields, all in attachments', async (t) => {
  const [ann, bob] = await pair.couple('several');
  const socket = await pair.socket(t, bob);
  await upload(ann, bob, 'two files', [photo, note], 'skillarena');
  const attachments = [
    {
      attached_file: linkTo(JPG),
      attached_file_name: 'pexels-nappy-936119.jpg',
      attached_file_size: '86.73KB',
    },
    { attached_file: linkTo(note.file), attached_file_name: 'n.txt', attached_file_size: '0.00KB' },
  ];
  const frame = await heard(socket, 'two files');
  t.same(Object.keys(frame), [...FILE_KEYS, 'attachments']);
  t.match(frame, { action: 're_message_file', attached_file_url: linkTo(JPG), attachments });
  const [shown] = await pair.messages(ann, bob.id);
  t.same(Object.keys(shown ?? {}), [...MESSAGE_KEYS, 'attachments']);
  t.match(shown, { attached_file: linkTo(JPG), attached_file_size: '86.73KB', attachments });
});

t.test('files of other documents are shown at once; announcing them shows nothing more', async (t) => {
  const [ann, bob] = await pair.couple('foreign');
  const [sending, receiving] = (await Promise.all([ann, bob].map((person) => pair.socket(t, person)))) as [
    TestSocket,
    TestSocket,
  ];
  await pair.core.say({ from: ann.id, to: bob.id, text: 'a thread', via: 'chats' });
  await Promise.all([sending, receiving].map((socket) => heard(socket, 'a thread')));
  const message = await upload(ann, bob, 'from elsewhere', [photo], 'skillarena');
  t.match(await heard(receiving, 'from elsewhere'), { action: 're_message_file' });
  t.match(await heard(sending, 'from elsewhere'), { action: 're_message_file' });
  sending.send(announce(idOf(message), { ref: 1 }));
  await sending.next((frame) => frame.action === 'ack');
  t.same(
    (await upToNow(ann, bob, [receiving])).map((list) => list.length),
    [2],
  );
});

t.test('sizes, as the document writes them', async (t) => {
  const [ann, bob] = await pair.couple('sizes');
  const sizes: [number, string][] = [
    [0, '0.00KB'],
    [1_024, '1.00KB'],
    [88_812, '86.73KB'],
    [1_024 * 1_024, '1.00MB'],
    [1_258_291, '1.20MB'],
    [5 * 1_024 ** 3, '5120.00MB'],
  ];
  for (const [size] of sizes) await upload(ann, bob, String(size), [{ ...photo, size }]);
  await pair.core.say({ from: ann.id, to: bob.id, text: 'none', via: 'netrox' });
  t.same(
    (await pair.messages(ann, bob.id)).map((message) => message.attached_file_size),
    [...sizes.map(([, text]) => text), '0kb'],
  );
});

t.test(
  'a resume shows what the log holds, announced or not, and its announcement nothing more',
  async (t) => {
    const [ann, bob] = await pair.couple('resumed');
    await pair.core.say({ from: ann.id, to: bob.id, text: 'a thread', via: 'netrox' });
    const first = await pair.socket(t, bob);
    first.send({ action: 'cursor' });
    const { cursor } = await first.next((frame) => frame.action === 'cursor');
    const sending = await pair.socket(t, ann);
    const message = await upload(ann, bob, 'while away');
    // To a node that is yet to hear of it, it would be live: both of them have it when their sockets hear what follows.
    await upToNow(ann, bob, [first, sending]);
    await first.close();
    const second = await pair.socket(t, bob, `&since=${cursor}`);
    t.match(await heard(second, 'while away'), { action: 're_message_file', attached_file_url: linkTo(JPG) });
    sending.send(announce(idOf(message), { ref: 1 }));
    await sending.next((frame) => frame.action === 'ack');
    t.same(
      (await upToNow(ann, bob, [second])).map((list) => list.length),
      [1],
    );
  },
);

t.test('a thread that begins with a file: shown once to a socket that was open before', async (t) => {
  for (let i = 0; i < 10; i += 1) {
    const [ann, bob] = await pair.couple(`begin${i}`);
    const receiving = await pair.socket(t, bob);
    const sending = await pair.socket(t, ann);
    const message = await upload(ann, bob, 'first');
    sending.send(announce(idOf(message), { ref: 1 }));
    await heard(receiving, 'first');
    await sending.next((frame) => frame.action === 'ack');
    t.same(
      (await upToNow(ann, bob, [receiving])).map((list) => list.length),
      [1],
    );
  }
});

t.test('refused: a message without a file, and one that somebody else sent', async (t) => {
  const [ann, bob] = await pair.couple('refused');
  const cid = await pair.person('refused-cid');
  const plain = await pair.core.say({ from: ann.id, to: bob.id, text: 'no file', via: 'netrox' });
  const message = await upload(ann, bob, 'unannounced');
  const [sender, receiver, stranger] = (await Promise.all(
    [ann, bob, cid].map((person) => pair.socket(t, person)),
  )) as [TestSocket, TestSocket, TestSocket];
  const cases: [TestSocket, Message, string][] = [
    [sender, plain, 'chat_id must be the id of a message with a file'],
    [receiver, message, 'only its sender may announce a message'],
    [receiver, plain, 'only its sender may announce a message'],
    [stranger, message, 'message not found'],
  ];
  for (const [socket, about, words] of cases) {
    socket.send(announce(idOf(about), { ref: words }));
    const frame = await socket.next((one) => one.ref === words);
    t.same(frame, { action: 'error', message: words, ref: words });
  }
  const [frames] = await upToNow(ann, bob, [receiver]);
  t.notOk(
    frames?.some((frame) => frame.action !== 'error'),
    'nothing was announced',
  );
});
