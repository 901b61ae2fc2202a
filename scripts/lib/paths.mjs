/** Where things are. Everything that the scripts write goes below `.data/`, `dist/` or `node_modules/`. */

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(fileURLToPath(import.meta.url), '../../..');
export const DATA = join(ROOT, '.data');
export const LOGS = join(DATA, 'logs');
export const RUN = join(DATA, 'run');
export const NODE_MAIN = join(ROOT, 'dist', 'main.js');

/** Creates the directories that a run writes to; for this user's eyes only, since secrets are among them. */
export function makeDataDirs() {
  for (const dir of [DATA, LOGS, RUN]) mkdirSync(dir, { recursive: true, mode: 0o700 });
}
