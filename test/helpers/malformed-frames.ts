/** A seeded stream of frames that no client of the rooms API should send. */

import fc from 'fast-check';

/** A frame, and what is due: an error frame, or the end of the socket with this code. */
export interface BadFrame {
  readonly data: string | Buffer;
  readonly binary: boolean;
  readonly closes: number | undefined;
}

export const GOOD = '{"type":"text","content":"hello","user_id":"mallory","ref":"r"}';

export const oddText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '\u0000\u0001\u001f',
    '\u2028',
    '\ufeff',
    'x'.repeat(20_000),
    '__proto__',
    '%',
    '../../etc/passwd',
  ),
);
export const oddNumber = fc.constantFrom(
  '1e999',
  '-1e999',
  `1${'0'.repeat(400)}`,
  '-0',
  '0.1e-400',
  '9007199254740993',
  '1E+2',
  '-1',
);
/** JSON as text, so that it may hold what JSON.stringify never writes. */
export const oddJson = fc.oneof(
  { weight: 3, arbitrary: fc.json({ maxDepth: 3 }) },
  oddText.map((text) => JSON.stringify(text)),
  oddNumber,
  fc.constantFrom(
    '"\\ud800"',
    '"\\udfff\\ud800"',
    'null',
    'true',
    '[]',
    '{}',
    '"\\u0000"',
    '{"toString":1,"valueOf":2}',
  ),
);
export const nested = fc
  .tuple(
    fc.constantFrom('[', '{"a":', '[[],', '{"type":"text","content":['),
    fc.integer({ min: 1, max: 100_000 }),
  )
  .map(([open, n]) => open.repeat(Math.min(n, Math.floor(100_000 / open.length))));
export const prototyped = fc
  .tuple(fc.constantFrom('__proto__', 'constructor', 'prototype'), oddJson)
  .map(([key, value]) => `{"${key}":{"prototype":${value},"type":"text","content":"a","name":"a"}}`);

export const objectOf = (fields: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<string> =>
  fc
    .record(
      Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, fc.option(value, { freq: 4 })]),
      ),
    )
    .map((given) => Object.entries(given).filter(([, value]) => value !== null))
    .map((entries) => `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`);

const frameObject = objectOf({
  type: fc.oneof(fc.constant('"text"'), fc.constant('"text"'), oddJson),
  content: oddJson,
  user_id: fc.oneof(fc.constant('"mallory"'), oddJson),
  ref: oddJson,
});

/** A good text, cut short or with one byte changed. */
const broken = (good: string): fc.Arbitrary<Buffer> =>
  fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), fc.boolean()).map(([at, byte, cut]) => {
    const bytes = Buffer.from(good);
    if (cut) return bytes.subarray(0, at);
    bytes[at] = byte;
    return bytes;
  });

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function decoded(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether a frame might be a good one: those are left out. */
export function mayBeGood(text: string): boolean {
  try {
    const { type, content } = JSON.parse(text) as Record<string, unknown>;
    return type === 'cursor' || (type === 'text' && typeof content === 'string' && content.trim() !== '');
  } catch {
    return false;
  }
}

const text = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<BadFrame> =>
  arbitrary.map((data) => ({ data, binary: false, closes: undefined }));

const frames: fc.Arbitrary<BadFrame> = fc.oneof(
  { weight: 6, arbitrary: text(frameObject) },
  { weight: 3, arbitrary: text(oddJson) },
  { weight: 2, arbitrary: text(oddText) },
  { weight: 1, arbitrary: text(nested) },
  { weight: 1, arbitrary: text(prototyped) },
  {
    weight: 3,
    arbitrary: fc.oneof(broken(GOOD), fc.uint8Array({ maxLength: 60 }).map(Buffer.from)).map((data) => ({
      data,
      binary: false,
      closes: decoded(data) === undefined ? 1007 : undefined,
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .oneof(fc.uint8Array({ maxLength: 60 }).map(Buffer.from), fc.constant(Buffer.from(GOOD)))
      .map((data) => ({
        data,
        binary: true,
        closes: undefined,
      })),
  },
);

/** `count` frames, the same for the same seed; none of them is a good one. */
export function badFrames(seed: number, count: number): BadFrame[] {
  return fc
    .sample(frames, { seed, numRuns: Math.ceil(count * 1.3) })
    .filter(({ data, binary }) => binary || !mayBeGood(data.toString()))
    .slice(0, count);
}
