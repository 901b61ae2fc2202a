/** Texts and JSON that no client should send. */

import fc from 'fast-check';

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
