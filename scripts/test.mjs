/**
 * scripts/test: the set-up, the build, the checks, the tests. Its last line is `N passed, N failed`,
 * from the totals of the test runner; a build or check that fails counts as one more failure.
 */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from './lib/fail.mjs';
import { nodeOfMajor } from './lib/othernode.mjs';
import { ensureBuild, ensurePackages, run } from './lib/packages.mjs';
import { makeDataDirs, ROOT } from './lib/paths.mjs';
import { CHROMIUM, ensureProgram, HAPROXY } from './lib/programs.mjs';
import { ensureRedis } from './lib/redis.mjs';
import { runTap } from './lib/tap.mjs';

const USAGE = `Usage: scripts/test [--node MAJOR] [--topology one|sentinel|cluster] [test files ...]

Without files: the checks of scripts/check, and all tests.
  --node MAJOR     run the tests on that Node.js (24, say), fetched from npm; NODE24=1 means --node 24
  --topology KIND  let the tests' nodes run on a Sentinel group or a Redis Cluster; without files: all tests of nodes,
                   and no checks. What only makes sense on one Redis is counted as skipped.`;

const TOPOLOGIES = ['one', 'sentinel', 'cluster'];
/** The tests whose nodes may run on any topology lie there. */
const NODE_TESTS = ['conformance', 'redis', 'cluster'].map((name) => join(ROOT, 'test', name));

/** The tests that need a browser lie there. */
const BROWSER_TESTS = join('test', 'browser');
const CHECK_DEADLINE_MS = 3 * 60_000;

let failedSteps = 0;
/** @type {import('./lib/tap.mjs').Totals} */
let totals = { passed: 0, failed: 0, skipped: 0 };

try {
  await main();
} catch (error) {
  failStep(error);
}
report();

async function main() {
  const { node, topology, files } = readOptions();
  makeDataDirs();
  ensurePackages();
  const redis = process.env.REDIS_SERVER || ensureRedis();
  const everything = topology === 'one' ? [join(ROOT, 'test')] : NODE_TESTS;
  const tests = (files.length > 0 ? files : everything).flatMap(testsAt);
  if (needsHaproxy(tests)) ensureProgram(HAPROXY);
  const chromium = tests.some((file) => file.startsWith(BROWSER_TESTS)) ? ensureProgram(CHROMIUM) : undefined;
  const binary = node ? nodeOfMajor(node) : process.execPath;
  ensureBuild();
  if (files.length === 0 && topology === 'one') step(() => run('scripts/check', [], CHECK_DEADLINE_MS));
  totals = await runTap(binary, tests, {
    REDIS_SERVER: redis,
    REDIS_CLI: redis.replace(/-server$/, '-cli'),
    TEST_TOPOLOGY: topology,
    ...(chromium ? { CHROMIUM: chromium } : {}),
  });
}

/** A fault of one step does not keep the rest from running. @param {() => void} work */
function step(work) {
  try {
    work();
  } catch (error) {
    failStep(error);
  }
}

/** @param {unknown} error */
function failStep(error) {
  failedSteps += 1;
  console.error(error instanceof Fault ? error.message : error);
}

function report() {
  const failed = totals.failed + failedSteps;
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
  process.exitCode = failed > 0 || totals.passed === 0 ? 1 : 0;
  console.log(`${totals.passed} passed, ${failed} failed${skipped}`);
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      options: { node: { type: 'string' }, topology: { type: 'string', default: 'one' } },
      allowPositionals: true,
    });
    const { node = process.env.NODE24 === '1' ? '24' : undefined, topology } = values;
    if (!TOPOLOGIES.includes(topology)) throw new Error(`--topology must be one of ${TOPOLOGIES.join(', ')}`);
    return { node, topology, files: positionals };
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/** The tests that start a load balancer say its name. @param {string[]} tests */
function needsHaproxy(tests) {
  return tests.some((file) => readFileSync(join(ROOT, file), 'utf8').includes('haproxy'));
}

/** The test files at a path, which may be a directory. @param {string} path @returns {string[]} */
function testsAt(path) {
  const full = resolve(path);
  if (!existsSync(full)) throw new Fault(`There is no ${path}.`);
  if (!statSync(full).isDirectory()) return [relative(ROOT, full)];
  const names = readdirSync(full, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => relative(ROOT, join(full, name)));
}
