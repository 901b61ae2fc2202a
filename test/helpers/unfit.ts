/** Nodes that are not to start. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { TEST_SECRET } from './token.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const END_MS = 20_000;

/** Starts `dist/main.js`, and answers how it ended and what it said; a node that runs on is ended, with code null. */
export async function startUnfit(env: Record<string, string>): Promise<{ code: number | null; out: string }> {
  const node = spawn(process.execPath, [MAIN], {
    env: { JWT_SECRET: TEST_SECRET, PORT: '0', HOST: '127.0.0.1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: END_MS,
  });
  let out = '';
  node.stdout.on('data', (bytes) => {
    out += bytes;
  });
  // Not at its exit: its last lines come through a pipe.
  const [code] = (await once(node, 'close')) as [number | null];
  return { code, out };
}
