/** The small parts of files: names, links, parts, and what looks like markup. */

import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { FileLinks } from '../../src/core/file-links.js';
import { cleanFileName, servingOf } from '../../src/core/filenames.js';
import { looksLikeMarkup } from '../../src/core/media-types.js';
import { detectType } from '../../src/storage/detect.js';
import { partsOf } from '../../src/storage/parts.js';

t.test('a clean name is short, visible, no path, and stays as it is when it is cleaned again', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
      const name = cleanFileName(given);
      return (
        name !== '' &&
        Buffer.byteLength(name) <= 255 &&
        !/[/\\]|\p{Cc}|\p{Surrogate}|[\u202a-\u202e\u2066-\u2069]/u.test(name) &&
        name !== '.' &&
        name !== '..' &&
        cleanFileName(name) === name
      );
    }),
  );
});

t.test('what is sent as a header is one, whatever the name', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (given) => {
      const name = cleanFileName(given);
      const { disposition } = servingOf({ name, contentType: 'application/zip' });
      const match = /^attachment; filename="[^"\\]*"; filename\*=UTF-8''([\x21-\x7e]+)$/.exec(disposition);
      return match !== null && decodeURIComponent(match[1] as string) === name;
    }),
  );
});

t.test('a link is good for its path and its keys', async (t) => {
  const [one, two] = [new FileLinks(['one', 'two']), new FileLinks(['two'])];
  const query = (link: string) => new URL(link, 'http://x').searchParams;
  const check = (links: FileLinks, path: string, link: string) =>
    links.allows(path, query(link).get('expires'), query(link).get('signature'));
  t.ok(check(one, '/a', one.sign('/a')));
  t.ok(check(one, '/a', two.sign('/a')), 'the second secret verifies');
  t.notOk(check(two, '/a', one.sign('/a')), 'the first one signs');
  t.notOk(check(one, '/b', one.sign('/a')));
  for (const odd of [undefined, null, 1, ['x'], '', '1e3', '-1', ' 1']) t.notOk(one.allows('/a', odd, 'x'));
});

t.test('parts are whole, and bounded', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 300 })),
      fc.integer({ min: 1, max: 400 }),
      async (sizes, partBytes) => {
        const chunks = sizes.map((size) => randomBytes(size));
        const parts: Buffer[] = [];
        let ended = 0;
        async function* source() {
          yield* chunks;
        }
        for await (const { bytes, sha256, last } of partsOf(source(), partBytes)) {
          if (createHash('sha256').update(bytes).digest('hex') !== sha256) return false;
          if (last ? bytes.length > partBytes : bytes.length !== partBytes) return false;
          if (last && bytes.length === 0 && parts.length > 0) return false;
          parts.push(Buffer.from(bytes));
          if (last) ended += 1;
        }
        return ended === 1 && Buffer.concat(parts).equals(Buffer.concat(chunks));
      },
    ),
  );
});

t.test('a source that fails ends the parts with its error', async (t) => {
  async function* source() {
    yield Buffer.alloc(10);
    throw new Error('the client went away');
  }
  await t.rejects(async () => {
    for await (const _ of partsOf(source(), 100));
  }, /went away/);
});

t.test('markup is seen, and nothing else is taken for it', async (t) => {
  for (const text of ['<', ' \r\n\t<html', '\ufeff<svg', '<?xml'])
    t.ok(looksLikeMarkup(Buffer.from(text)), text);
  t.ok(looksLikeMarkup(Buffer.from('\ufeff <a', 'utf16le')));
  t.ok(looksLikeMarkup(Buffer.from('\ufeff <a', 'utf16le').swap16()));
  for (const bytes of ['', 'a<b', '\0\0\0<ftypisom', 'GIF89a<', '%PDF'])
    t.notOk(looksLikeMarkup(Buffer.from(bytes)));
});

t.test('no head of a file is too odd to look at', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (head) => {
      const { contentType, extension } = await detectType(head);
      return /^[\w.+-]+\/[\w.+-]+$/.test(contentType) && /^[a-z0-9]{1,8}$/.test(extension);
    }),
  );
});
