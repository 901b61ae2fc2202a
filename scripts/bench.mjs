/** scripts/bench: Parlance and its peers under the same loads. `--help` says what it can do. */

import { Fault, runScript } from './lib/fail.mjs';
import { ensureBuild, ensurePackages } from './lib/packages.mjs';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

await runScript(async () => {
  ensurePackages();
  ensureBuild();
  // Imported late: the packages may only just have been installed.
  const { readOptions, USAGE } = await import('./lib/bench/options.mjs');
  const { stopAll } = await import('./lib/bench/stack.mjs');
  const { runBench } = await import('./lib/bench/run.mjs');
  const options = readOptions(process.argv.slice(2));
  if (!options) return console.log(USAGE);
  for (const signal of SIGNALS) {
    process.once(signal, async () => {
      await stopAll();
      process.exit(130);
    });
  }
  const faults = await runBench(options, console.log).finally(stopAll);
  if (faults.length > 0)
    throw new Fault(`Not every message came to every socket once:\n${faults.join('\n')}`);
});
// Kept-alive connections would hold the process a little longer.
process.exit();
