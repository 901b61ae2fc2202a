/** scripts/token: a token for the local run, and nothing else, on standard output. */

import { parseArgs } from 'node:util';
import { readSecret, userEnvironment } from './lib/environment.mjs';
import { Fault, runScript } from './lib/fail.mjs';
import { mintToken } from './lib/token.mjs';

const USAGE = 'Usage: scripts/token <user> [--name "Ada Lovelace"] [--ttl 24h]';

await runScript(async () => {
  const { user, name, ttl } = readArguments();
  const env = userEnvironment();
  console.log(await mintToken({ ...env, JWT_SECRET: env.JWT_SECRET || readSecret() }, user, { name, ttl }));
});

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      options: { name: { type: 'string' }, ttl: { type: 'string' } },
      allowPositionals: true,
    });
    const [user, ...rest] = positionals;
    if (user && rest.length === 0) return { user, ...values };
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
  throw new Fault(USAGE);
}
