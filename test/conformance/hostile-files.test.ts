/** Names, types and contents that mean harm: stored safely, served safely. */

import t from 'tap';
import { fetchObject, SAMPLES, startFileWorld, type Uploaded } from '../helpers/files.js';

const world = await startFileWorld(t);
const ann = await world.person('ann');
await world.person('bob');
const KEY =
  /^\/mediafiles\/attachments\/\d{4}\/\d\d\/\d\d\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z0-9]{1,8}$/;
/** Nothing but visible ASCII in a header, quotes in pairs. */
const HEADER = /^(inline|attachment); filename="[^"\\]*"; filename\*=UTF-8''[A-Za-z0-9%!#$&+.^_`|~-]+$/;

async function served(bytes: Uint8Array, name: string, type?: string) {
  const uploaded = await world.upload(ann, 'bob', bytes, name, type);
  const object = await fetchObject(await world.presigned(ann, uploaded.file_url));
  return {
    uploaded,
    object,
    type: object.headers.get('content-type'),
    disposition: object.headers.get('content-disposition') ?? '',
  };
}

t.test('hostile names', async (t) => {
  const cases: [given: string, kept: string][] = [
    ['../../../etc/passwd', 'passwd'],
    ['..\\..\\windows\\system32\\cmd.exe', 'cmd.exe'],
    ['/absolute/path.txt', 'path.txt'],
    ['..', 'file'],
    ['C:\\fakepath\\photo.jpg', 'photo.jpg'],
    ['a%22; filename=evil.html', 'a%22; filename=evil.html'],
    ['a\\"b.txt', 'a"b.txt'],
    ['nul\0byte.txt', 'nulbyte.txt'],
    ['tab\tbell\x07.txt', 'tabbell.txt'],
    ['invoice\u202Efdp.exe', 'invoicefdp.exe'],
    ['\u2066hidden\u2069\u200F.txt', 'hidden.txt'],
    ['sep\u2028\u2029.txt', 'sep.txt'],
    ['photo.jpg.exe', 'photo.jpg.exe'],
    ['наивный файл 文件 🎉.txt', 'наивный файл 文件 🎉.txt'],
    ["it's (1) 100%*.txt", "it's (1) 100%*.txt"],
    ['   ', 'file'],
    [`${'x'.repeat(300)}.txt`, `${'x'.repeat(251)}.txt`],
    [`${'é'.repeat(300)}.tar.gz`, `${'é'.repeat(126)}.gz`],
  ];
  for (const [given, kept] of cases) {
    const { uploaded, object, disposition } = await served(Buffer.from('data'), given);
    t.equal(uploaded.file_name, kept, encodeURIComponent(given));
    t.match(uploaded.file_url, KEY, 'the name is no part of the key');
    t.equal(object.status, 200);
    t.match(disposition, HEADER, disposition);
    const extended = /filename\*=UTF-8''(.*)$/.exec(disposition)?.[1] as string;
    t.equal(decodeURIComponent(extended), kept, 'the name comes through');
  }
  t.ok(world.s3.objects().every((key) => /^attachments\/[\w/.-]+$/.test(key)));
});

t.test('a line break ends a name', async (t) => {
  const answer = await world.post<Uploaded>('/upload_files', ann, [
    { field: 'other_user_id', value: 'bob' },
    { field: 'files', name: 'a\r\nX-Evil: 1\r\n.txt', bytes: Buffer.from('data') },
  ]);
  t.equal(answer.status, 200);
  t.equal(answer.body.files[0]?.file_name, 'a');
});

t.test('what a file is, is told by its bytes', async (t) => {
  const html = Buffer.from('<!doctype html><script>alert(1)</script>');
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(' \n<html><script>', 'utf16le')]);
  const bom = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), html]);
  const downloads: [what: string, bytes: Buffer, name: string, type: string][] = [
    ['HTML that says it is a picture', html, 'cat.png', 'image/png'],
    [
      'HTML in upper case after blanks',
      Buffer.from('\n\t  <HTML><BODY onload=alert(1)>'),
      'a.jpg',
      'image/jpeg',
    ],
    ['HTML with a byte order mark', bom, 'a.png', 'image/png'],
    ['HTML in UTF-16', utf16, 'a.png', 'image/png'],
    ['an SVG with script', svg, 'logo.svg', 'image/svg+xml'],
    [
      'an SVG with an XML head',
      Buffer.concat([Buffer.from('<?xml version="1.0"?>'), svg]),
      'a.svg',
      'image/svg+xml',
    ],
    [
      'XHTML',
      Buffer.from('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>'),
      'a.xhtml',
      '',
    ],
    ['script', Buffer.from('alert(document.cookie)'), 'a.js', 'text/javascript'],
    ['an executable', Buffer.from('MZ\x90\0\x03\0\0\0\x04\0\0\0'), 'setup.png', 'image/png'],
    ['nothing at all', Buffer.alloc(0), 'empty.png', 'image/png'],
    ['a cut picture head', SAMPLES.png.subarray(0, 4), 'a.png', 'image/png'],
  ];
  for (const [what, bytes, name, type] of downloads) {
    const { uploaded, type: servedType, disposition, object } = await served(bytes, name, type || undefined);
    t.equal(servedType, 'application/octet-stream', what);
    t.match(disposition, /^attachment; /, what);
    t.equal(object.headers.get('x-content-type-options'), 'nosniff', what);
    t.notMatch(uploaded.content_type, /html|svg|xml|javascript/, what);
    t.same(object.bytes, bytes, what);
  }
  const shown: [bytes: Buffer, type: string, extension: string][] = [
    [SAMPLES.png, 'image/png', 'png'],
    [SAMPLES.gif, 'image/gif', 'gif'],
    [SAMPLES.jpeg, 'image/jpeg', 'jpg'],
    [SAMPLES.pdf, 'application/pdf', 'pdf'],
  ];
  for (const [bytes, type, extension] of shown) {
    const { uploaded, type: servedType, disposition } = await served(bytes, 'page.html', 'text/html');
    t.equal(servedType, type);
    t.match(disposition, new RegExp(`^inline; filename="page\\.html\\.${extension}"`), 'saved as what it is');
    t.ok(uploaded.file_url.endsWith(`.${extension}`));
  }
});

t.test('a file that is a picture and a page at once is a picture', async (t) => {
  const page = Buffer.from('/*<html><script>alert(1)</script>*/=1;alert(2)');
  const { type, disposition, object } = await served(
    Buffer.concat([SAMPLES.gif, page]),
    'both.html',
    'text/html',
  );
  t.equal(type, 'image/gif');
  t.match(disposition, /^inline; filename="both\.html\.gif"/);
  t.equal(object.headers.get('x-content-type-options'), 'nosniff');
});

t.test('the store keeps all of them as bytes of no type', async (t) => {
  const uploaded = await world.upload(ann, 'bob', SAMPLES.gif, 'a.html');
  const plain = new URL(await world.presigned(ann, uploaded.file_url));
  plain.searchParams.delete('response-content-type');
  t.equal((await fetchObject(plain.href)).status, 403, 'nobody can leave the type out');
});

t.test('broken forms', async (t) => {
  const before = world.s3.objects().length;
  const raw = (body: string, type = 'multipart/form-data; boundary=x') =>
    fetch(`${world.next().url}/upload_files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ann}`, 'content-type': type },
      body,
    });
  const head = 'Content-Disposition: form-data; name="files"; filename="a.txt"';
  for (const [what, body, type] of [
    ['no end', `--x\r\n${head}\r\n\r\nhalf a fi`],
    ['an empty body', ''],
    ['no boundary', '--x--\r\n', 'multipart/form-data'],
    ['not a form', 'hello'],
    ['another boundary', '--y\r\n\r\n--y--\r\n'],
    ['a part without a head', '--x\r\n\r\ndata\r\n--x--\r\n'],
  ] as const) {
    const answer = await raw(body, type);
    t.equal(answer.status, 400, what);
    t.same(Object.keys((await answer.json()) as object), ['detail'], what);
  }
  const fields = Array.from({ length: 40 }, (_, i) => ({ field: `f${i}`, value: 'x' }));
  t.equal((await world.post('/upload_files', ann, fields)).status, 413, 'too many fields');
  t.equal(world.s3.objects().length, before);
});
