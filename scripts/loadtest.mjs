/** scripts/loadtest: load on a service that runs already, wherever it is. `--help` says what it can do. */

import { writeFileSync } from 'node:fs';
import { Fault, runScript } from './lib/fail.mjs';
import { readOptions, USAGE } from './lib/loadtest/options.mjs';
import { breaches, summary } from './lib/loadtest/report.mjs';
import { LoadTest } from './lib/loadtest/run.mjs';

await runScript(async () => {
  const options = readOptions(process.argv.slice(2), process.env);
  if (!options) return console.log(USAGE);
  const test = new LoadTest(options, console.log);
  // What was measured so far is told all the same.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => test.stop());
  const result = await test.run();
  console.log(summary(result));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  const broken = breaches(result, options);
  if (broken.length > 0) throw new Fault(broken.join('\n'));
});
// Kept-alive connections would hold the process a little longer.
process.exit();
