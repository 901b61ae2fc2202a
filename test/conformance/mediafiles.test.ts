/** GET /mediafiles/...: who is led to a file, and who cannot tell it from one that is not there. */

import t from 'tap';
import { FileLinks } from '../../src/core/file-links.js';
import { fetchObject, SAMPLES, startFileWorld } from '../helpers/files.js';
import { TEST_SECRET } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const OLD_SECRET = 'another secret that signed links before the rotation';
const world = await startFileWorld(t, { JWT_SECRET: `${TEST_SECRET},${OLD_SECRET}` });
const ann = await world.person('ann');
const bob = await world.person('bob');
const eve = await world.person('eve');

const sent = await world.upload(ann, 'bob', SAMPLES.png, 'picture.png');
const socket = await world.socket(t, ann);
const data = { receiver_id: 'bob', message: 'see', attachments: [sent.file_url] };
socket.send({ type: 'message', data });
await socket.nextOf('message');
const unsent = await world.upload(ann, 'bob', SAMPLES.png, 'draft.png');

const PATH = sent.file_url;
const NOWHERE = PATH.replace(/[0-9a-f]{8}-/, '00000000-');
const links = new FileLinks([TEST_SECRET]);
const get = (path: string, token?: string) => world.api<{ detail: string }>('GET', path, token);

t.test('those in the room are led to it, with their token', async (t) => {
  for (const token of [ann, bob]) {
    const answer = await get(PATH, token);
    t.equal(answer.status, 302);
    t.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    t.equal(answer.headers.get('cache-control'), 'private, no-store');
    const location = new URL(answer.headers.get('location') as string);
    t.equal(location.origin, world.s3.url);
    t.equal(location.searchParams.get('X-Amz-Expires'), '900', 'for a quarter of an hour');
    const object = await fetchObject(location.href);
    t.same(object.bytes, SAMPLES.png);
    t.equal(object.headers.get('content-type'), 'image/png');
    t.match(object.headers.get('content-disposition'), /^inline; filename="picture\.png"/);
  }
  t.equal((await get(unsent.file_url, ann)).status, 302, 'its uploader sees a file before it is sent');
});

t.test('for anybody else it is not there', async (t) => {
  const none = await get(NOWHERE, eve);
  t.equal(none.status, 404);
  t.same(none.body, { detail: 'file not found' });
  const shape = ({ status, text, headers }: typeof none) => [status, text, [...headers.keys()].sort()];
  for (const [path, token] of [
    [PATH, eve],
    [unsent.file_url, bob],
    [unsent.file_url, eve],
    [NOWHERE, ann],
    [`${PATH}x`, ann],
    [PATH.replace('/attachments/', '/'), ann],
    [PATH.replace(/\.png$/, '.jpg'), ann],
    [`/mediafiles/${PATH.split('/').at(-1)}`, ann],
    ['/mediafiles/..%2f..%2fetc%2fpasswd', ann],
    ['/mediafiles/attachments/__proto__', ann],
  ] as const) {
    t.same(shape(await get(path, token)), shape(none), path);
  }
  const [known, unknown] = [await get(PATH), await get(NOWHERE)];
  t.equal(known.status, 401, 'no token, no link');
  t.same(shape(known), shape(unknown));
  t.equal((await get(PATH, 'bad.to.ken')).status, 401);
});

t.test('a link needs no token, and nothing of it can be changed', async (t) => {
  const link = links.sign(PATH);
  t.equal((await get(link)).status, 302);
  t.equal((await get(link, eve)).status, 302, 'also with the token of a stranger');
  t.equal((await get(new FileLinks([OLD_SECRET]).sign(PATH))).status, 302, 'made before a rotation');
  const none = await get(links.sign(NOWHERE));
  t.same([none.status, none.body], [404, { detail: 'file not found' }]);
  const [, expires = '', signature = ''] = /expires=(\d+)&signature=(.*)$/.exec(link) ?? [];
  const changed = {
    'the signature': link.replace(
      signature,
      signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')),
    ),
    'its last character': `${link.slice(0, -1)}${link.endsWith('A') ? 'B' : 'A'}`,
    'the time': link.replace(expires, String(Number(expires) + 1)),
    'the time, as another spelling': link.replace(expires, `0${expires}`),
    'the file': link.replace(PATH, unsent.file_url),
    'the secret': new FileLinks(['a secret that nobody here has']).sign(PATH),
    'no time': `${PATH}?signature=${signature}`,
    'no signature': `${PATH}?expires=${expires}&signature=`,
    'two signatures': `${link}&signature=${signature}`,
  };
  for (const [what, path] of Object.entries(changed)) {
    const answer = await get(path);
    t.same([answer.status, answer.text], [404, none.text], what);
  }
});

t.test('a link ends', async (t) => {
  const now = Date.now();
  const past = links.sign(PATH).replace(/expires=\d+/, `expires=${Math.floor(now / 1000) - 1}`);
  t.equal((await get(past)).status, 404);
  const real = Date.now;
  Date.now = () => now - 901_000;
  const old = links.sign(PATH);
  Date.now = real;
  t.equal((await get(old)).status, 404, 'one that was good a quarter of an hour ago');
});

t.test('an address from the store cannot be changed either', async (t) => {
  const url = await world.presigned(ann, PATH);
  t.equal((await fetchObject(url)).status, 200);
  const html = url.replace('response-content-type=image%2Fpng', 'response-content-type=text%2Fhtml');
  t.not(html, url);
  t.equal((await fetchObject(html)).status, 403);
  const other = url.replace(PATH.split('/').at(-1) as string, unsent.file_url.split('/').at(-1) as string);
  t.not(other, url);
  t.equal((await fetchObject(other)).status, 403);
  t.equal((await fetchObject(url.split('?')[0] as string)).status, 403, 'nothing without a signature');
});

t.test('no signature reaches the log', async (t) => {
  const { headers } = await get(links.sign(PATH));
  const id = headers.get('x-request-id') as string;
  const lines = () => world.nodes.flatMap((node) => node.logs());
  const line = await until('it is logged', () => lines().find((one) => one.includes(id)));
  t.match(line, /mediafiles/);
  t.notMatch(lines().join('\n'), /signature=(?!\[redacted\])/i);
});
