import fc from 'fast-check';
import t from 'tap';
import type { Message } from '../../src/core/model.js';
import { Tail } from '../../src/realtime/tail.js';

const MAX_MESSAGES = 256;

function message(offset: number, text = 'x'): Message {
  return {
    room: 1,
    offset,
    nonce: `n${offset}`,
    sender: 's',
    text,
    attachments: [],
    createdMs: 0,
    via: 'rooms',
  };
}

const offsets = (messages: readonly Message[] | undefined) => messages?.map(({ offset }) => offset);
const upTo = (n: number, from = 1) => Array.from({ length: Math.max(0, n - from + 1) }, (_, i) => from + i);

t.test('the tail of a log', async (t) => {
  t.test('knows nothing at first', async (t) => {
    const tail = new Tail();
    t.equal(tail.readAfter(0, 10), undefined);
    t.equal(tail.newest(10), undefined);
    t.equal(tail.newest(0), undefined);
  });

  t.test('has none of its newest where none are asked for', async (t) => {
    const tail = new Tail();
    for (const offset of upTo(20)) tail.push(message(offset), offset - 1);
    t.same(tail.newest(0), []);
    t.same(offsets(tail.newest(2)), [19, 20]);
  });

  t.test('answers for what came since it began, and for nothing before', async (t) => {
    const tail = new Tail();
    for (const n of upTo(15, 11)) tail.push(message(n), n - 1);
    t.strictSame(offsets(tail.readAfter(10, 100)), upTo(15, 11));
    t.strictSame(offsets(tail.readAfter(12, 2)), [13, 14]);
    t.strictSame(offsets(tail.readAfter(15, 5)), []);
    t.strictSame(offsets(tail.readAfter(99, 5)), []);
    t.equal(tail.readAfter(9, 5), undefined, 'offset 10 may be there');
    t.strictSame(offsets(tail.newest(5)), upTo(15, 11));
    t.equal(tail.newest(6), undefined);
  });

  t.test('has the whole of a log that it was filled with', async (t) => {
    const tail = new Tail();
    tail.fill([message(1), message(2)], 0);
    t.strictSame(offsets(tail.newest(50)), [1, 2], 'there is no more than that');
    t.strictSame(offsets(tail.readAfter(0, 50)), [1, 2]);
    tail.fill([], 0);
    t.strictSame(offsets(tail.newest(50)), [], 'and of an empty one');
    tail.push(message(1), 0);
    t.strictSame(offsets(tail.newest(50)), [1]);
    tail.clear();
    t.equal(tail.readAfter(5, 1), undefined);
  });

  t.test('holds few messages where a few read, and many once there are more readers', async (t) => {
    const tail = new Tail();
    for (const n of upTo(100)) tail.push(message(n), n - 1, 4);
    t.strictSame(offsets(tail.newest(16)), upTo(100, 85));
    t.equal(tail.newest(17), undefined);
    for (const n of upTo(200, 101)) tail.push(message(n), n - 1, 5);
    t.equal(tail.newest(116)?.length, 116);
    tail.push(message(201), 200, 2);
    t.equal(tail.newest(17), undefined, 'they have left');
  });

  t.test('is bounded in messages and in bytes', async (t) => {
    const many = new Tail();
    for (const n of upTo(1_000)) many.push(message(n), n - 1);
    t.equal(many.newest(MAX_MESSAGES)?.length, MAX_MESSAGES);
    t.equal(many.readAfter(1_000 - MAX_MESSAGES - 1, 10), undefined);
    const large = new Tail();
    for (const n of upTo(100)) large.push(message(n, 'x'.repeat(10_000)), n - 1);
    t.equal(large.newest(7), undefined, 'seven of ten thousand bytes are too many');
    t.strictSame(offsets(large.newest(3)), [98, 99, 100]);
    const huge = new Tail();
    huge.push(message(1, 'x'.repeat(200_000)), 0);
    t.equal(huge.newest(1)?.length ?? 0, 0, 'one that is too large is not kept');
    t.equal(huge.readAfter(0, 1), undefined, 'and not forgotten either: the log has it');
  });

  t.test('answers like the log itself, or not at all', async () => {
    const hole = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 400 });
    const question = fc.record({ after: fc.nat(900), count: fc.integer({ min: 1, max: 300 }) });
    fc.assert(
      fc.property(
        hole,
        fc.nat(50),
        fc.array(question, { minLength: 5, maxLength: 20 }),
        (steps, begin, questions) => {
          // A log with holes, of which the tail has seen what came after `begin`.
          let at = 0;
          const log = steps.map((step) => {
            at += step;
            return message(at, 'x'.repeat(at % 400));
          });
          const tail = new Tail();
          log.forEach((one, i) => {
            if (i >= begin) tail.push(one, log[i - 1]?.offset ?? 0);
          });
          return questions.every(({ after, count }) => {
            const found = offsets(tail.readAfter(after, count));
            const expected = offsets(log.filter(({ offset }) => offset > after).slice(0, count));
            const newest = offsets(tail.newest(count));
            return (
              (found === undefined || found.join() === expected?.join()) &&
              (newest === undefined || newest.join() === offsets(log.slice(-count))?.join())
            );
          });
        },
      ),
      { numRuns: 500 },
    );
  });
});
