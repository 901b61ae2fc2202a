/** Files when something fails: the store, the client, or nobody ever sends them. */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type FileWorld, fetchObject, form, SAMPLES, startFileWorld } from '../helpers/files.js';
import { request } from '../helpers/http.js';
import { isReady, startNode } from '../helpers/node.js';
import { startS3 } from '../helpers/s3.js';
import { startAnyRedis } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const MIB = 1024 * 1024;
/** Longer than four requests in a row wait for an answer, shorter than a store is given up after. */
const STALL_MS = 17_000;

/** Begins an upload of one file on a node: its first `bytes`. */
async function beginUpload(port: number, token: string, size: number, bytes: number): Promise<Socket> {
  const { body, headers } = form([
    { field: 'other_user_id', value: 'bob' },
    { field: 'files', name: 'a.bin', bytes: Buffer.alloc(size, 'x') },
  ]);
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  const head = `POST /upload_files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${headers['content-type']}\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.write(head);
  await new Promise<void>((sent) => socket.write(body.subarray(0, bytes), () => sent()));
  return socket;
}

/** Sends the first `bytes` of an upload, and cuts the connection; where it has `begun`, when the store has some of it. */
async function cutUpload(
  world: FileWorld,
  token: string,
  size: number,
  bytes: number,
  begun: boolean,
): Promise<void> {
  const socket = await beginUpload(world.next().port, token, size, bytes);
  // What is not enough for the store to hear of it has arrived soon.
  if (begun) await until('the store has some of it', () => world.s3.uploads().length > 0);
  else await sleep(300);
  socket.destroy();
  await new Promise((closed) => socket.once('close', closed));
}

t.test('a client that goes away half-way leaves nothing', async (t) => {
  const world = await startFileWorld(t);
  const ann = await world.person('ann');
  await world.person('bob');
  for (const [size, sent, begun] of [
    [100_000, 50_000, false],
    [12 * MIB, 11 * MIB, true],
    [12 * MIB, 200, false],
  ] as const) {
    await cutUpload(world, ann, size, sent, begun);
  }
  const left = async () => {
    const known = await world.redis.ask('ZCARD files:unattached');
    return [known, ...world.s3.objects(), ...world.s3.uploads()];
  };
  await until('nothing is left of them', async () => (await left()).join() === ':0\r\n');
  t.equal((await world.upload(ann, 'bob', SAMPLES.png)).size, SAMPLES.png.length, 'and the next one is fine');
  for (const node of world.nodes) t.equal(await isReady(node.url), true);
});

t.test('slow uploads of one person keep nobody else from uploading', async (t) => {
  const world = await startFileWorld(t);
  const [ann, bob] = [await world.person('ann'), await world.person('bob')];
  const [{ port, url }] = world.nodes;
  const slow = await Promise.all(Array.from({ length: 80 }, () => beginUpload(port, ann, 100_000, 1_000)));
  t.teardown(() => {
    for (const socket of slow) socket.destroy();
  });
  const upload = async (token: string, other: string) => {
    const { body, headers } = form([
      { field: 'other_user_id', value: other },
      { field: 'files', name: 'a.png', bytes: SAMPLES.png },
    ]);
    return request('POST', `${url}/upload_files`, { body, headers, token });
  };
  await until('that is too many of hers', async () => (await upload(ann, 'bob')).status === 429);
  const { status, text } = await upload(bob, 'ann');
  t.equal(status, 200, text);
});

t.test('the store is away: files answer 503, chat goes on; the store is back: files work', async (t) => {
  const world = await startFileWorld(t);
  const ann = await world.person('ann');
  const bob = await world.person('bob');
  const { file_url } = await world.upload(ann, 'bob', SAMPLES.png);
  const parts = [
    { field: 'other_user_id', value: 'bob' },
    { field: 'files', name: 'a.png', bytes: SAMPLES.png },
  ];
  const down = async (what: string) => {
    const upload = await world.post<object>('/upload_files', ann, parts);
    t.equal(upload.status, 503, what);
    t.match(upload.headers.get('retry-after'), /^\d+$/);
    t.same(Object.keys(upload.body), ['detail']);
    const netrox = await world.post<object>('/chat/chat-attachment/', ann, [
      { field: 'receiver', value: 'bob' },
      { field: 'attached_file', name: 'a.png', bytes: SAMPLES.png },
    ]);
    t.equal(netrox.status, 503);
    t.match(netrox.body, { status: 'failure', success: false });
    const away = async (node: (typeof world.nodes)[number]) => {
      const answer = await fetch(node.url + file_url, {
        headers: { authorization: `Bearer ${ann}` },
        redirect: 'manual',
      });
      return answer.status === 503 && answer.headers.has('retry-after');
    };
    for (const node of world.nodes) await until('files answer 503', () => away(node), 40_000);
    const [mine, theirs] = [await world.socket(t, ann), await world.socket(t, bob)];
    mine.send({ type: 'message', data: { receiver_id: 'bob', message: what } });
    t.match((await theirs.nextOf('message')).data, { message: what }, 'chat goes on');
    for (const node of world.nodes) t.equal(await isReady(node.url), true, 'readiness stays');
  };
  await world.s3.stop();
  await down('stopped');
  await world.s3.restart();
  await until('uploads work again', () => world.upload(ann, 'bob', SAMPLES.png));
  // The other node may be later to see it.
  const address = await until('addresses are given again', () => world.presigned(ann, file_url));
  t.equal((await fetchObject(address)).status, 200);
  world.s3.pause();
  await down('frozen');
  world.s3.resume();
  await until('uploads work again', () => world.upload(ann, 'bob', SAMPLES.png), 40_000);
});

t.test('a store that stalls, as one with a busy disk does, is waited for', async (t) => {
  const world = await startFileWorld(t);
  const ann = await world.person('ann');
  await world.person('bob');
  // Whichever node comes next has just seen that the store is there.
  for (const _ of world.nodes) await world.upload(ann, 'bob', SAMPLES.png);
  const upload = world.upload(ann, 'bob', Buffer.alloc(12 * MIB));
  world.s3.pause();
  await sleep(STALL_MS);
  world.s3.resume();
  t.equal((await upload).size, 12 * MIB);
});

t.test('a store that comes later than the node; one with another address for clients', async (t) => {
  const [redis, s3] = [await startAnyRedis(t), await startS3(t)];
  await s3.stop();
  const wrong = { S3_PUBLIC_ENDPOINT: 'http://127.0.0.1:9' };
  const node = await startNode(t, { ...redis.env, ...s3.env, ...wrong });
  await until('it is said', () => node.logs().some((line) => line.includes('the file store fails')));
  await s3.restart();
  await until(
    'the bucket is made',
    () => node.logs().some((line) => line.includes('made the bucket')),
    40_000,
  );
  await until('the other address is found wanting', () =>
    node.logs().some((line) => line.includes('S3_PUBLIC_ENDPOINT does not lead')),
  );
  await until('the check leaves nothing', () => s3.objects().length === 0);
  const good = await startNode(t, { ...redis.env, ...s3.env });
  await until('it looked', () => s3.objects().length === 0 && isReady(good.url));
  t.notOk(good.logs().some((line) => line.includes('S3_PUBLIC_ENDPOINT')));
});

t.test('what no message holds is removed, and what one holds stays', async (t) => {
  const world = await startFileWorld(t, { UPLOAD_SWEEP_AGE: '8000' });
  const ann = await world.person('ann');
  const bob = await world.person('bob');
  const sent = await world.upload(ann, 'bob', SAMPLES.png);
  const socket = await world.socket(t, ann);
  socket.send({ type: 'message', data: { receiver_id: 'bob', message: 'x', attachments: [sent.file_url] } });
  await socket.nextOf('message');
  const unsent = await world.upload(ann, 'bob', SAMPLES.gif);
  t.equal(world.s3.objects().length, 2);
  // A multipart upload whose node died: the store knows of it, and nobody else.
  const node = world.nodes[0];
  const half = connect({ host: '127.0.0.1', port: node.port });
  half.on('error', () => undefined);
  const { body, headers } = form([{ field: 'files', name: 'a', bytes: Buffer.alloc(12 * MIB) }]);
  half.write(
    `POST /upload_files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann}\r\nContent-Type: ${headers['content-type']}\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  half.write(body.subarray(0, 11 * MIB));
  await until('it is under way', () => world.s3.uploads().length === 1);
  await node.kill9();

  await until('the file is removed', () => world.s3.objects().length === 1, 40_000);
  await until('the upload is ended', () => world.s3.uploads().length === 0, 40_000);
  await until(
    'nothing is listed',
    async () => (await world.redis.ask('ZCARD files:unattached')) === ':0\r\n',
    20_000,
  );
  const { url } = world.nodes[1];
  const get = (path: string) =>
    fetch(url + path, { headers: { authorization: `Bearer ${bob}` }, redirect: 'manual' });
  const kept = await get(sent.file_url);
  t.equal(kept.status, 302);
  t.equal((await fetchObject(kept.headers.get('location') as string)).status, 200, 'what was sent is there');
  t.equal((await get(unsent.file_url)).status, 404);
  const again = await fetch(`${url}/get_presigned_urls`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ann}`, 'content-type': 'application/json' },
    body: JSON.stringify({ files: [unsent.file_url] }),
  });
  t.equal(again.status, 404, 'its uploader is told so too');
});

t.test('a node without a store serves everything but files', async (t) => {
  const redis = await startAnyRedis(t);
  const node = await startNode(t, { ...redis.env, ROOMS_AUTH: 'trusted' });
  t.equal(await isReady(node.url), true);
  t.equal((await fetch(`${node.url}/api/v1/rooms`)).status, 200);
});
