/** The results as people read them. */

/** @typedef {import('./run.mjs').Result} Result */

/** @type {[string, (result: Result) => string | number | null][]} */
const COLUMNS = [
  ['seed', (r) => r.seed],
  ['sent', (r) => r.sent],
  ['acked', (r) => r.acknowledged],
  ['received', (r) => r.received],
  ['lost', (r) => r.lost],
  ['dup', (r) => r.duplicated],
  ['reord', (r) => r.reordered],
  ['rolled back', (r) => r.findings.rolledBack],
  ['shown', (r) => r.findings.retracted],
  ['nodes say', (r) => r.rolledBackAtNodes.counted.join('+')],
  ['errors', (r) => sum(r.errors)],
  ['repeats', (r) => r.attempts - r.sent],
  ['silent', (r) => r.silent],
  ['gaps', (r) => r.gaps],
  ['recovered', (r) => r.recovered],
  ['rollbacks', (r) => r.rollbacks],
  ['p50 ms', (r) => r.calmMs.p50],
  ['p99 ms', (r) => r.calmMs.p99],
  ['p99 all', (r) => r.deliveryMs.p99],
  ['result', (r) => (r.passed ? 'ok' : 'FAILED')],
];

/** @param {readonly Result[]} results */
export function table(results) {
  const rows = [
    COLUMNS.map(([name]) => name),
    ...results.map((result) => COLUMNS.map(([, value]) => String(value(result) ?? '-'))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => /** @type {string} */ (row[i]).length)));
  return rows.map((row) => row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')).join('\n');
}

/** What one run is worth saying beyond the table. @param {Result} result @param {boolean} verbose @returns {string[]} */
export function details(result, verbose) {
  const lines = [];
  for (const { what, openMs, healMs } of result.faults) {
    const heal =
      openMs === null
        ? 'not healed'
        : `connected and ready after ${openMs} ms, last late delivery after ${healMs} ms`;
    lines.push(`  fault: ${what}: ${heal}`);
  }
  for (const [name, value] of Object.entries(result.figures)) lines.push(`  ${name}: ${shown(value)}`);
  /** @type {[string, Record<string, number>][]} */
  const counts = [
    ['errors answered', result.errors],
    ['close codes', result.closes],
    ['connections refused', result.refusals],
  ];
  for (const [name, by] of counts) if (sum(by) > 0) lines.push(`  ${name}: ${shown(by)}`);
  if (result.deafness > 0) lines.push(`  found deaf: ${result.deafness} times`);
  if (result.findings.resets > 0) lines.push(`  resets: ${result.findings.resets}`);
  if (result.findings.hidden > 0)
    lines.push(`  hidden by an id whose place was reused: ${result.findings.hidden}`);
  for (const failure of result.failures) lines.push(`  FAILED: ${failure}`);
  if (result.complaints.length > 0)
    lines.push(`  error lines in the nodes' logs: ${result.complaints.length}`);
  if (verbose) lines.push(...result.complaints.slice(0, 5).map((line) => `    ${line.slice(0, 600)}`));
  if (verbose || !result.passed) lines.push(...result.findings.examples.map((example) => `    ${example}`));
  return lines;
}

/** @param {unknown} value */
function shown(value) {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, n]) => `${name} ${typeof n === 'object' ? JSON.stringify(n) : n}`)
    .join(', ');
}

/** @param {Record<string, number>} counts */
function sum(counts) {
  return Object.values(counts).reduce((all, n) => all + n, 0);
}
