import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';

const INCLUDE = readFileSync(new URL('../../src/redis/lua/include/mark.lua', import.meta.url), 'utf8');
/** Applies pairs of (from, to) one after the other; answers what `mark` returned for each. */
const WRAPPER = `#!lua
${INCLUDE}
local answer = {}
for i = 1, #ARGV, 2 do
  answer[#answer + 1] = mark(KEYS[1], KEYS[2], 'user', tonumber(ARGV[i]), tonumber(ARGV[i + 1]))
end
return answer`;
const MAX_RANGES = 1_000;

type Mark = [from: number, to: number];

/** The same thing with a plain set: what is marked, the cursor below which all is, and the bound. */
class Model {
  cursor = 0;
  readonly beyond = new Set<number>();

  mark([from, to]: Mark): number {
    let fresh = 0;
    for (let n = Math.max(from, this.cursor + 1); n <= to; n += 1) {
      if (!this.beyond.has(n)) fresh += 1;
      this.beyond.add(n);
    }
    this.#fold();
    let ranges = this.ranges();
    while (ranges.length > MAX_RANGES) {
      // Past the bound the oldest gap counts as marked.
      this.cursor = (ranges[0] as Mark)[1];
      this.#fold();
      ranges = this.ranges();
    }
    return fresh;
  }

  ranges(): Mark[] {
    const ranges: Mark[] = [];
    for (const n of [...this.beyond].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last && n === last[1] + 1) last[1] = n;
      else ranges.push([n, n]);
    }
    return ranges;
  }

  #fold(): void {
    while (this.beyond.has(this.cursor + 1)) this.cursor += 1;
    for (const n of this.beyond) if (n <= this.cursor) this.beyond.delete(n);
  }
}

t.test('marking', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  let runs = 0;

  /** The state after `marks`, and the answers, from Redis and from the model. */
  const both = async (marks: Mark[]) => {
    runs += 1;
    const [cursors, ranges] = [`{m}cursors:${runs}`, `{m}ranges:${runs}`];
    const answers = (await redis.eval(WRAPPER, 2, cursors, ranges, ...marks.flat())) as number[];
    const hash = await redis.hgetall(cursors);
    const flat = await redis.zrange(ranges, '0', '-1', 'WITHSCORES');
    const stored: Mark[] = [];
    for (let i = 0; i < flat.length; i += 2) stored.push([Number(flat[i + 1]), Number(flat[i])]);
    const waiting = Number(hash['user|'] ?? 0);
    const model = new Model();
    const expected = marks.map((mark) => model.mark(mark));
    await redis.del(cursors, ranges);
    return {
      redis: { answers, cursor: Number(hash.user ?? 0), waiting, ranges: stored },
      model: { answers: expected, cursor: model.cursor, waiting: model.beyond.size, ranges: model.ranges() },
    };
  };
  const same = async (marks: Mark[]) => {
    const state = await both(marks);
    return JSON.stringify(state.redis) === JSON.stringify(state.model);
  };
  const upTo = (highest: number, longest: number) =>
    fc
      .tuple(fc.integer({ min: 1, max: highest }), fc.nat(longest))
      .map(([from, more]): Mark => [from, from + more]);

  t.test('single offsets and stretches, in any order, as a set would have them', async () => {
    for (const mark of [upTo(12, 0), upTo(20, 4), upTo(300, 30)]) {
      await fc.assert(fc.asyncProperty(fc.array(mark, { minLength: 1, maxLength: 60 }), same), {
        numRuns: 400,
      });
    }
  });

  t.test('every order of a few offsets', async (t) => {
    const orders = (rest: number[]): number[][] =>
      rest.length === 0
        ? [[]]
        : rest.flatMap((n) => orders(rest.filter((one) => one !== n)).map((order) => [n, ...order]));
    for (const order of orders([1, 2, 3, 4, 5])) {
      const state = await both(order.map((n) => [n, n]));
      if (state.redis.cursor !== 5 || state.redis.waiting !== 0 || state.redis.ranges.length > 0) {
        t.strictSame(state.redis, state.model, order.join());
      }
    }
  });

  t.test('a mark that covers many ranges takes them in', async (t) => {
    const odd = Array.from({ length: 200 }, (_, i): Mark => [3 + 2 * i, 3 + 2 * i]);
    const { redis, model } = await both([...odd, [2, 500], [1, 1]]);
    t.strictSame(redis, model);
    t.strictSame(redis.ranges, []);
    t.equal(redis.cursor, 500);
  });

  t.test('never more than a thousand ranges, and the lowest gap goes first', async (t) => {
    const scattered = Array.from({ length: 1_300 }, (_, i): Mark => [3 * i + 5, 3 * i + 5]);
    const { redis, model } = await both(scattered);
    t.equal(redis.ranges.length, MAX_RANGES);
    t.strictSame(redis, model);
    t.equal(redis.cursor, 3 * 299 + 5);
    for (const order of [[...scattered].reverse(), [...scattered.slice(650), ...scattered.slice(0, 650)]]) {
      t.ok(await same(order));
    }
  });

  t.test('offsets beyond what a double prints plainly', async (t) => {
    const far = 94_000_000_000_000;
    const { redis } = await both([
      [far, far + 1],
      [far + 3, far + 3],
      [far + 2, far + 2],
    ]);
    t.strictSame(redis.ranges, [[far, far + 3]]);
    t.strictSame(redis.waiting, 4);
  });
});
