/** scripts/stress: load, faults, and a checker that believes nobody. `--help` says what it can do. */

import { writeFileSync } from 'node:fs';
import { Fault, runScript } from './lib/fail.mjs';
import { ensureBuild, ensurePackages } from './lib/packages.mjs';
import { readOptions, USAGE } from './lib/stress/options.mjs';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

await runScript(async () => {
  const options = readOptions(process.argv.slice(2));
  if (!options) return console.log(USAGE);
  ensurePackages();
  ensureBuild();
  // Imported late: the packages may only just have been installed.
  const { runOnce } = await import('./lib/stress/run.mjs');
  const { details, table } = await import('./lib/stress/report.mjs');
  /** @type {import('./lib/stress/stack.mjs').StressStack | undefined} */
  let stack;
  for (const signal of SIGNALS) {
    process.once(signal, async () => {
      await stack?.stop();
      process.exit(130);
    });
  }
  const { scenario, nodes, topology, aof, durability, faults } = options;
  const redis = `Redis: ${topology}, appendfsync ${aof}, ${durability}`;
  console.log(`${scenario}: ${nodes} nodes; ${redis}; faults: ${faults.join(', ') || 'none'}`);
  const results = [];
  for (let seed = options.seed; seed < options.seed + options.seeds; seed += 1) {
    console.log(`seed ${seed}`);
    const result = await runOnce(options, seed, (started) => {
      stack = started;
    });
    results.push(result);
    for (const line of details(result, options.verbose)) console.log(line);
  }
  console.log(`\n${table(results)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ options, results }, null, 2)}\n`);
  const failed = results.filter(({ passed }) => !passed).length;
  if (failed > 0) throw new Fault(`${failed} of ${results.length} runs failed.`);
});
// Kept-alive connections would hold the process a little longer.
process.exit();
