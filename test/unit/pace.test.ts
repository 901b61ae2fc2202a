import t from 'tap';
import { Pace } from '../../src/http/pace.js';

t.test('what comes at once goes in turn, and no more waits than gets its turn in time', async (t) => {
  const pace = new Pace(10, 1_000);
  const waits = Array.from({ length: 20 }, () => pace.take(5_000));
  t.same(waits.slice(0, 4), [0, 0, 100, 200], 'one for the time before, then one every 100 ms');
  const waiting = waits.filter((wait) => wait !== undefined);
  t.equal(waiting.length, 12);
  t.equal(Math.max(...waiting), 1_000);
  t.same(waits.slice(12), Array(8).fill(undefined), 'the rest is refused');
});

t.test('who is refused takes no turn from those who come later', async (t) => {
  const pace = new Pace(10, 1_000);
  for (let i = 0; i < 100; i += 1) pace.take(0);
  t.equal(pace.take(200), 900);
  t.equal(pace.take(60_000), 0);
  t.equal(pace.take(60_000), 0, 'a minute of quiet makes no long burst');
  t.equal(pace.take(60_000), 100);
});

t.test('within the rate nobody waits', async (t) => {
  const pace = new Pace(500, 2_000);
  for (let now = 0; now < 1_000; now += 2) t.equal(pace.take(now), 0);
});
