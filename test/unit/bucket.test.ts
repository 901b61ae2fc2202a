import fc from 'fast-check';
import t from 'tap';
import { FrameBucket, type Toll } from '../../src/http/bucket.js';

const limit = { rate: 50, burst: 100 };
const times = (bucket: FrameBucket, n: number, at: number): Toll[] =>
  Array.from({ length: n }, () => bucket.take(at));
const count = (tolls: Toll[], toll: Toll) => tolls.filter((one) => one === toll).length;

t.test('a bucket of frames', async (t) => {
  t.test('lets a burst pass, then refuses', async (t) => {
    const tolls = times(new FrameBucket(limit, 0), 150, 0);
    t.strictSame([count(tolls, 'pass'), count(tolls, 'refuse')], [100, 50]);
    t.equal(tolls.indexOf('refuse'), 100);
  });

  t.test('lets its rate pass for ever', async (t) => {
    const bucket = new FrameBucket(limit, 0);
    const tolls = Array.from({ length: 10_000 }, (_, i) => bucket.take(i * 20));
    t.equal(count(tolls, 'pass'), 10_000);
  });

  t.test('fills again, and never above a burst', async (t) => {
    const bucket = new FrameBucket(limit, 0);
    times(bucket, 100, 0);
    t.equal(count(times(bucket, 60, 1_000), 'pass'), 50, 'a second later, the rate of a second');
    t.equal(count(times(bucket, 200, 1e9), 'pass'), 100, 'a week later, one burst');
  });

  t.test('closes who goes on for two bursts, and forgives who pauses', async (t) => {
    const tolls = times(new FrameBucket(limit, 0), 302, 0);
    t.equal(tolls.indexOf('close'), 300);
    const patient = new FrameBucket(limit, 0);
    for (let i = 0; i < 50; i += 1) {
      const round = times(patient, 250, i * 10_000);
      if (round.includes('close')) t.fail(`closed in round ${i}`);
    }
    const stubborn = new FrameBucket(limit, 0);
    let closed = false;
    for (let i = 0; i < 50 && !closed; i += 1) closed = times(stubborn, 150, i * 1_000).includes('close');
    t.ok(closed, 'a pause that does not fill the bucket forgives nothing');
  });

  t.test('never lets more pass than rate and burst allow', async () => {
    const pauses = fc.array(fc.nat(100), { minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(
        pauses,
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 200 }),
        (steps, rate, burst) => {
          const bucket = new FrameBucket({ rate, burst }, 0);
          let at = 0;
          let passed = 0;
          return steps.every((step) => {
            at += step;
            if (bucket.take(at) === 'pass') passed += 1;
            return passed <= burst + (at / 1_000) * rate + 1e-6;
          });
        },
      ),
    );
  });
});
