import t from 'tap';
import { classify, NonceMemory, newestCommon, REMEMBERED_NONCES } from '../../src/core/position.js';

const head = { offset: 5, nonce: 'n5' };
const nonceAt = (offset: number) => (offset >= 3 && offset <= 5 ? `n${offset}` : undefined);

t.test('an event is classified by offset, nonce and previous nonce', async (t) => {
  const cases = [
    ['the next one', 6, 'n6', 'n5', 'next'],
    ['the next number of another history', 6, 'n6', 'm5', 'fork'],
    ['the next one without a previous nonce', 6, 'n6', '', 'fork'],
    ['the one after the next', 7, 'n7', 'n6', 'gap'],
    ['far ahead', 5_000, 'x', 'y', 'gap'],
    ['ahead, whatever it says came before it', 7, 'n7', 'n5', 'gap'],
    ['the head again', 5, 'n5', 'n4', 'known'],
    ['one that is remembered', 3, 'n3', 'n2', 'known'],
    ['the number of the head in another history', 5, 'm5', 'n4', 'fork'],
    ['a remembered number in another history', 3, 'm3', 'n2', 'fork'],
    ['older than memory', 2, 'n2', 'n1', 'fork'],
  ] as const;
  for (const [what, offset, nonce, prev, verdict] of cases) {
    t.equal(classify(head, { offset, nonce, prev }, nonceAt), verdict, what);
  }
  const empty = { offset: 0, nonce: '' };
  t.equal(
    classify(empty, { offset: 1, nonce: 'n1', prev: '' }, () => undefined),
    'next',
    'the first of all',
  );
  t.equal(
    classify(empty, { offset: 1, nonce: 'n1', prev: 'x' }, () => undefined),
    'fork',
  );
  t.equal(
    classify(empty, { offset: 2, nonce: 'n2', prev: 'n1' }, () => undefined),
    'gap',
  );
});

t.test('the newest entry that memory and log have in common', async (t) => {
  const entry = (offset: number, nonce: string) => ({ offset, nonce });
  const cases = [
    ['all in common', [entry(3, 'n3'), entry(4, 'n4'), entry(5, 'n5')], entry(5, 'n5')],
    ['in any order', [entry(5, 'n5'), entry(3, 'n3')], entry(5, 'n5')],
    ['parted after 3', [entry(3, 'n3'), entry(4, 'm4'), entry(5, 'm5')], entry(3, 'n3')],
    ['a hole where memory has an entry', [entry(3, 'n3'), entry(5, 'm5')], entry(3, 'n3')],
    ['parted before memory', [entry(2, 'n2'), entry(3, 'm3')], undefined],
    ['the same nonce at another offset', [entry(4, 'n3')], undefined],
    ['an empty log', [], undefined],
  ] as const;
  for (const [what, entries, common] of cases) t.strictSame(newestCommon(entries, nonceAt), common, what);
});

t.test('the memory of nonces', async (t) => {
  const filled = (from: number, to: number) => {
    const memory = new NonceMemory();
    for (let offset = from; offset <= to; offset += 1) memory.push(offset, `n${offset}`);
    return memory;
  };

  t.test('keeps at least the newest, and never more than twice as many', async (t) => {
    for (const to of [1, 255, 256, 257, 511, 512, 513, 5_000]) {
      const memory = filled(1, to);
      for (let offset = Math.max(1, to - REMEMBERED_NONCES + 1); offset <= to; offset += 1) {
        if (memory.at(offset) !== `n${offset}`) t.fail(`after ${to}, ${offset} is forgotten`);
      }
      t.ok(to - memory.first < 2 * REMEMBERED_NONCES, `after ${to} it begins at ${memory.first}`);
      t.equal(memory.at(to + 1), undefined);
      t.equal(memory.at(memory.first - 1), undefined);
    }
  });

  t.test('begins where it began', async (t) => {
    const memory = filled(40, 60);
    t.equal(memory.first, 40);
    t.equal(memory.at(39), undefined);
    t.equal(memory.at(40), 'n40');
  });

  t.test('starts anew at an offset that does not follow', async (t) => {
    const memory = filled(1, 10);
    memory.push(20, 'n20');
    t.strictSame([memory.at(10), memory.at(20), memory.first], [undefined, 'n20', 20]);
    memory.push(21, 'n21');
    t.strictSame([memory.at(20), memory.at(21)], ['n20', 'n21']);
  });

  t.test('forgets what is gone, and goes on from there', async (t) => {
    const memory = filled(1, 10);
    memory.cutAbove(6);
    t.strictSame([memory.at(6), memory.at(7)], ['n6', undefined]);
    memory.push(7, 'm7');
    t.strictSame([memory.at(1), memory.at(6), memory.at(7)], ['n1', 'n6', 'm7']);
    memory.cutAbove(100);
    t.equal(memory.at(7), 'm7', 'nothing to cut');
    memory.cutAbove(0);
    t.equal(memory.at(1), undefined);
    memory.push(1, 'k1');
    t.equal(memory.at(1), 'k1');
  });

  t.test('of who has read nothing but a head', async (t) => {
    const memory = NonceMemory.from({ offset: 3, nonce: 'k3' });
    t.strictSame([memory.at(2), memory.at(3), memory.at(4), memory.first], [undefined, 'k3', undefined, 3]);
    memory.push(4, 'k4');
    t.strictSame([memory.at(3), memory.at(4), memory.first], ['k3', 'k4', 3]);
    t.equal(NonceMemory.from({ offset: 0, nonce: '' }).at(0), undefined, 'of an empty log, nothing');
  });
});
