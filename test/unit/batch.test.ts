/** Which drafts travel together. */

import fc from 'fast-check';
import t from 'tap';
import type { PendingAppend } from '../../src/redis/batch.js';
import { partitionOf, takeByPartition, takeFirst } from '../../src/redis/batch.js';

const MOST_MESSAGES = 64;
const MOST_BYTES = 256 * 1_024;

const item = (room: number, bytes: number) => ({ draft: { room: { id: room } }, bytes }) as PendingAppend;
const arbitraryItem = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(600, 5_000, 100_000, 300_000))
  .map(([room, bytes]) => item(room, bytes));
const queues = fc.array(arbitraryItem, { maxLength: 200 });

/** Whether a call is as large as it may be, given what would have come next. */
function isFull(call: readonly PendingAppend[], next: PendingAppend): boolean {
  const bytes = call.reduce((sum, one) => sum + one.bytes, next.bytes);
  return call.length >= MOST_MESSAGES || bytes > MOST_BYTES;
}

t.test('the first drafts of a queue', async (t) => {
  fc.assert(
    fc.property(queues, (all) => {
      const queue = [...all];
      const calls: PendingAppend[][] = [];
      while (queue.length > 0) calls.push(takeFirst(queue));
      t.strictSame(calls.flat(), all, 'all of them, in their order');
      for (const [i, call] of calls.entries()) {
        t.ok(call.length > 0 && call.length <= MOST_MESSAGES);
        t.ok(call.length === 1 || call.reduce((sum, { bytes }) => sum + bytes, 0) <= MOST_BYTES);
        const next = calls[i + 1]?.[0];
        if (next) t.ok(isFull(call, next), 'as many as go');
      }
    }),
    { numRuns: 50 },
  );
  t.strictSame(takeFirst([]), []);
});

t.test('the first drafts of each partition', async (t) => {
  const busySets = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 3 });
  fc.assert(
    fc.property(queues, fc.integer({ min: 0, max: 7 }), busySets, (queue, most, rooms) => {
      const busy = new Set(rooms.map((room) => partitionOf(item(room, 0))));
      const { calls, left } = takeByPartition(queue, most, busy);
      t.equal(calls.flat().length + left.length, queue.length, 'nothing is lost');
      t.ok(calls.length <= most);
      for (const call of calls) {
        t.equal(new Set(call.map(partitionOf)).size, 1, 'each call has one partition');
        t.notOk(busy.has(partitionOf(call[0] as PendingAppend)), 'that is not busy');
      }
      for (const partition of new Set(queue.map(partitionOf))) {
        const those = (items: readonly PendingAppend[]) =>
          items.filter((one) => partitionOf(one) === partition);
        const taken = those(calls.flat());
        const rest = those(left);
        t.strictSame([...taken, ...rest], those(queue), 'none passes another of its partition');
        if (taken.length > 0 && rest[0]) t.ok(isFull(taken, rest[0]), 'as many as go');
        if (taken.length === 0 && calls.length < most) t.ok(busy.has(partition), 'only busy ones wait');
      }
      t.strictSame(
        left,
        queue.filter((one) => left.includes(one)),
        'what is left keeps its order',
      );
    }),
    { numRuns: 100 },
  );
});
