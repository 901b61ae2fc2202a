/** Another version of Node.js to test on, from the npm package that carries the binary. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './fail.mjs';
import { run } from './packages.mjs';
import { DATA } from './paths.mjs';

const DEADLINE_MS = 5 * 60_000;

/**
 * The path of a Node.js of that major version, fetched once into `.data/`.
 * @param {string} major
 * @returns {string}
 */
export function nodeOfMajor(major) {
  if (!/^\d+$/.test(major))
    throw new Fault(`"${major}" is no major version of Node.js: scripts/test --node 24`);
  const prefix = join(DATA, `node${major}`);
  const binary = join(prefix, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(binary)) {
    mkdirSync(prefix, { recursive: true });
    const args = [
      'install',
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--prefix',
      prefix,
      `node@${major}`,
    ];
    run('npm', args, DEADLINE_MS);
  }
  const { stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  if (!stdout?.startsWith(`v${major}.`))
    throw new Fault(`The npm package node@${major} brought no Node.js ${major} (${binary}).`);
  console.log(`Testing on Node.js ${stdout.trim()}`);
  return binary;
}
