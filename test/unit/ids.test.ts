import fc from 'fast-check';
import t from 'tap';
import {
  foldMessageId,
  formatUuid,
  type IdKind,
  IdRangeError,
  isUserId,
  isWellFormed,
  LAST_NUMBER,
  parseIntegerLike,
  parseNumericId,
  parseUuid,
  unfoldMessageId,
  userIdAsNumber,
  userIdAsUuid,
} from '../../src/core/ids.js';

const MAX = Number.MAX_SAFE_INTEGER;
const MAX_ROOT = 94_906_265; // floor(sqrt(MAX))
const kinds: readonly IdKind[] = ['user', 'room', 'message'];
const natural = fc.oneof(fc.maxSafeNat(), fc.nat(1000), fc.constantFrom(0, 1, MAX - 1, MAX));
const side = fc.oneof(
  fc.nat(MAX_ROOT - 1),
  fc.nat(100),
  fc.integer({ min: MAX_ROOT - 100, max: MAX_ROOT - 1 }),
);
const runs = { numRuns: 5000 };

/** Szudzik's function in exact arithmetic: what the fast one is measured by. */
function pair(room: number, offset: number): bigint {
  const [x, y] = [BigInt(room), BigInt(offset)];
  return x < y ? y * y + x : x * x + x + y;
}

t.test('a message id', async (t) => {
  t.test('is the exact fold of room and offset, and unfolds to them', async () => {
    fc.assert(
      fc.property(side, side, (room, offset) => {
        const id = foldMessageId(room, offset);
        const back = unfoldMessageId(id);
        return BigInt(id) === pair(room, offset) && back.room === room && back.offset === offset;
      }),
      runs,
    );
  });

  t.test('is met by every number: unfolding and folding again gives it back', async () => {
    fc.assert(
      fc.property(natural, (id) => {
        const { room, offset } = unfoldMessageId(id);
        return foldMessageId(room, offset) === id;
      }),
      runs,
    );
  });

  t.test('survives the numbers around squares, where a floating square root errs', async () => {
    const near = fc.tuple(fc.integer({ min: 1, max: MAX_ROOT }), fc.integer({ min: -3, max: 3 }));
    fc.assert(
      fc.property(near, ([root, by]) => {
        const id = Math.min(root * root + by, MAX);
        if (id < 0) return true;
        const { room, offset } = unfoldMessageId(id);
        return pair(room, offset) === BigInt(id);
      }),
      { numRuns: 20_000 },
    );
  });

  t.test('fits below 2^53, or fails loudly: right at the limit', async (t) => {
    t.equal(foldMessageId(LAST_NUMBER, LAST_NUMBER), LAST_NUMBER ** 2 + 2 * LAST_NUMBER);
    t.throws(() => foldMessageId(LAST_NUMBER + 1, LAST_NUMBER + 1), IdRangeError);
    const last = unfoldMessageId(MAX);
    t.equal(foldMessageId(last.room, last.offset), MAX);
    const reach = fc.integer({ min: MAX_ROOT - 2, max: MAX_ROOT + 2 });
    const any = fc.oneof(reach, fc.nat(MAX_ROOT + 2), fc.maxSafeNat());
    fc.assert(
      fc.property(fc.oneof(reach, fc.maxSafeNat()), any, fc.boolean(), (a, b, swap) => {
        const [room, offset] = swap ? [b, a] : [a, b];
        const exact = pair(room, offset);
        if (exact <= BigInt(MAX)) return BigInt(foldMessageId(room, offset)) === exact;
        t.throws(() => foldMessageId(room, offset), IdRangeError);
        return true;
      }),
      runs,
    );
  });

  t.test('refuses what is no natural number', async (t) => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MAX + 1]) {
      t.throws(() => foldMessageId(bad, 1), IdRangeError);
      t.throws(() => foldMessageId(1, bad), IdRangeError);
      t.throws(() => unfoldMessageId(bad), IdRangeError);
      t.throws(() => formatUuid('room', bad), IdRangeError);
    }
  });

  t.test('passes 32 bits from room 46341', async (t) => {
    t.ok(foldMessageId(46_340, 1) < 2 ** 31);
    t.ok(foldMessageId(46_341, 1) > 2 ** 31);
  });
});

t.test('a UUID of ours', async (t) => {
  t.test('is a version 8 UUID that tells kind and number, in either case', async () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), natural, (kind, n) => {
        const uuid = formatUuid(kind, n);
        t.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        t.same(parseUuid(uuid), { kind, n });
        t.same(parseUuid(uuid.toUpperCase()), { kind, n });
        return true;
      }),
      { numRuns: 500 },
    );
  });

  t.test('is never one made elsewhere', async () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => parseUuid(uuid) === undefined),
      runs,
    );
  });

  t.test('is not read with any one character of its fixed part changed', async () => {
    const uuid = formatUuid('room', 7);
    fc.assert(
      fc.property(fc.nat(19), fc.constantFrom(...'0123456789abcdef-gG '), (at, char) => {
        const kindDigit = at === 17; // 1, 2 or 3: another kind
        if (uuid[at] === char || (kindDigit && '123'.includes(char))) return true;
        return parseUuid(uuid.slice(0, at) + char + uuid.slice(at + 1)) === undefined;
      }),
      runs,
    );
  });

  t.test('is not read with a number from 2^53 up, nor with anything around it', async (t) => {
    const uuid = formatUuid('user', MAX);
    t.same(parseUuid(uuid), { kind: 'user', n: MAX });
    t.equal(parseUuid(uuid.replace(/-801f-/, '-8020-')), undefined);
    t.equal(parseUuid(` ${uuid}`), undefined);
    t.equal(parseUuid(`${uuid}\n`), undefined);
    t.equal(parseUuid(`urn:uuid:${uuid}`), undefined);
  });
});

t.test('integer-like text is canonical decimal below 2^53', async (t) => {
  fc.assert(
    fc.property(natural, (n) => parseIntegerLike(String(n)) === n),
    runs,
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const n = parseIntegerLike(text);
      return n === undefined || String(n) === text;
    }),
    runs,
  );
  const not = [
    '',
    '-1',
    '+1',
    '01',
    '00',
    '1.0',
    '1e3',
    ' 1',
    '1 ',
    '1\n',
    '0x1',
    '١',
    String(MAX + 1),
    '9'.repeat(99),
  ];
  for (const text of not) t.equal(parseIntegerLike(text), undefined, JSON.stringify(text));
  t.equal(parseIntegerLike('0'), 0);
});

t.test('a numeric id is read in decimal or as a UUID of its own kind only', async (t) => {
  t.equal(parseNumericId('room', '12'), 12);
  t.equal(parseNumericId('room', formatUuid('room', 12)), 12);
  t.equal(parseNumericId('room', formatUuid('message', 12)), undefined);
  t.equal(parseNumericId('room', 'twelve'), undefined);
});

t.test('a user id', async (t) => {
  t.test('is written as UUID or number when integer-like, else as it is', async (t) => {
    t.equal(userIdAsUuid('42'), formatUuid('user', 42));
    t.equal(userIdAsNumber('42'), 42);
    for (const opaque of ['auth0|x', '042', '9007199254740993', '123e4567-e89b-12d3-a456-426614174000']) {
      t.equal(userIdAsUuid(opaque), opaque);
      t.equal(userIdAsNumber(opaque), opaque);
    }
  });

  t.test('is never in the form of a UUID made here, of whatever kind and case', async () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), natural, (kind, n) => {
        const uuid = formatUuid(kind, n);
        return !isUserId(uuid) && !isUserId(uuid.toUpperCase());
      }),
      runs,
    );
  });

  t.test('two of them are never written alike as UUIDs', async () => {
    const user = fc.oneof(fc.string(), fc.uuid(), natural.map(String)).filter(isUserId);
    fc.assert(
      fc.property(user, user, (a, b) => a === b || userIdAsUuid(a) !== userIdAsUuid(b)),
      runs,
    );
  });

  t.test('is 1 to 255 bytes of well-formed Unicode', async (t) => {
    for (const good of ['1', 'x'.repeat(255), 'ü'.repeat(127), '😀', 'a:b|c d']) t.ok(isUserId(good));
    for (const bad of ['', 'x'.repeat(256), 'ü'.repeat(128), '\ud800', 'a\udc00', '\udc00\ud800']) {
      t.notOk(isUserId(bad), JSON.stringify(bad));
    }
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => isWellFormed(text) && !isWellFormed(`${text}\ud83d`),
      ),
      runs,
    );
  });
});
