/** What a load test found, in words, and whether that is good enough. */

/** @typedef {Awaited<ReturnType<import('./run.mjs').LoadTest['run']>>} Result */

const BAR = 40;

/** @param {Result} result */
export function summary(result) {
  const { sent, acknowledged, received, lost, duplicated, reordered, seconds } = result;
  /** @param {{ p50: number | null, p90: number | null, p99: number | null, p999: number | null }} times */
  const times = ({ p50, p90, p99, p999 }) => `p50 ${p50}, p90 ${p90}, p99 ${p99}, p99.9 ${p999}`;
  /** @param {string} title @param {Record<string, number>} counts */
  const counts = (title, counts) => Object.entries(counts).map(([what, n]) => `${title}: ${n} x ${what}`);
  return [
    '',
    `${sent} sent, ${acknowledged} acknowledged, ${received} received in ${seconds.toFixed(1)} s (${Math.round(received / seconds)} a second)`,
    `lost ${lost}, duplicated ${duplicated}, out of order ${reordered}, told to start over ${result.resets}`,
    `ms until acknowledged: ${times(result.ackMs)}`,
    `ms until each reader:  ${times(result.deliveryMs)}`,
    ...histogram(result.histogram),
    ...counts('error', result.errors),
    ...counts('closed', result.closes),
    ...counts('refused', result.refusals),
  ].join('\n');
}

/** @param {readonly { upToMs: number, count: number }[]} bars */
function histogram(bars) {
  const most = Math.max(1, ...bars.map(({ count }) => count));
  return bars.map(
    ({ upToMs, count }) =>
      `  up to ${String(upToMs).padStart(6)} ms ${String(count).padStart(9)} ${'#'.repeat(Math.ceil((count / most) * BAR))}`,
  );
}

/**
 * What was not good enough, one sentence each.
 * @param {Result} result
 * @param {import('./options.mjs').Options} options
 */
export function breaches(result, { maxP99, maxErrors, maxCloses }) {
  const { lost, duplicated, reordered, sent, acknowledged, deliveryMs, closes, errors } = result;
  const closed = Object.values(closes).reduce((sum, n) => sum + n, 0);
  const refused = Object.values(errors).reduce((sum, n) => sum + n, 0);
  const failed = ((refused + sent - acknowledged) / Math.max(1, sent)) * 100;
  /** @type {[boolean, string][]} */
  const rules = [
    [sent === 0, 'Nothing was sent.'],
    [lost + duplicated + reordered > 0, `Lost ${lost}, duplicated ${duplicated}, out of order ${reordered}.`],
    [(deliveryMs.p99 ?? 0) > maxP99, `p99 is ${deliveryMs.p99} ms; ${maxP99} are allowed.`],
    [failed > maxErrors, `${failed.toFixed(2)} % of the sends failed; ${maxErrors} % may.`],
    [closed > maxCloses, `${closed} sockets were closed; ${maxCloses} may be.`],
  ];
  return rules.filter(([broken]) => broken).map(([, words]) => words);
}
