import fc from 'fast-check';
import t from 'tap';
import { addressOf, CloseCode, claimsOf, plainId, roomUuid, waitAfter } from '../../src/client/index.js';
import { CloseCode as served } from '../../src/core/errors.js';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';

t.test('ids of the client are those of the service', async (t) => {
  const number = fc.integer({ min: 0, max: 90_000_000 });
  fc.assert(
    fc.property(number, number, (room, offset) => {
      const id = foldMessageId(room, offset);
      t.same(addressOf(String(id)), { room: String(room), offset });
      t.equal(plainId(formatUuid('message', id)), String(id));
      t.equal(roomUuid(String(room)), formatUuid('room', room));
    }),
  );
  for (const id of ['ada', '{}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '']) t.equal(plainId(id), id);
  t.throws(() => addressOf('ada'), TypeError);
});

t.test('close codes of the client are those of the service', async (t) => {
  t.same(CloseCode, served);
});

t.test('waits', async (t) => {
  t.ok(waitAfter(CloseCode.restart, 0, 1) <= 500, 'a node that restarts: at once, and not all together');
  t.equal(waitAfter(CloseCode.restart, 0, 0), 0);
  const most = [0, 1, 2, 3, 20].map((failures) => waitAfter(1006, failures, 1));
  t.same(
    [...most].sort((a, b) => a - b),
    most,
    'longer with each failure',
  );
  t.equal(most.at(-1), 15_000, 'up to a bound');
  t.equal(waitAfter(1006, 20, 0), 0, 'and anywhere below it');
  for (const [code, least] of [
    [CloseCode.goingAway, 1_000],
    [CloseCode.tryLater, 2_000],
    [CloseCode.tooMany, 5_000],
  ] as const) {
    t.equal(waitAfter(code, 0, 0), least, `${code}: not before that`);
  }
});

t.test('claims of what is no token', async (t) => {
  for (const token of ['', 'a.b.c', 'a.bnVsbA.c', '....']) t.same(claimsOf(token), {});
  t.same(claimsOf(`a.${Buffer.from('{"sub":"ä"}').toString('base64url')}.c`), { sub: 'ä' });
});
