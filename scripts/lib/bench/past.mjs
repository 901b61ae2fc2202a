/** The history file: a line of JSON for each run, so that a change can be compared with the last. */

import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { table } from './report.mjs';

/** Raised when figures of one name no longer mean the same. */
export const VERSION = 2;

/** @typedef {import('./run.mjs').Results} Results */

/**
 * The newest run of the file with loads of this size: others are no measure.
 * @param {string} file
 * @param {{ size: number, quick: boolean }} options
 * @returns {Results | undefined}
 */
export function lastRun(file, { size, quick }) {
  if (!existsSync(file)) return undefined;
  const runs = readFileSync(file, 'utf8').split('\n').flatMap(parse);
  return runs
    .filter(({ version, options }) => version === VERSION && options.size === size && options.quick === quick)
    .at(-1);
}

/** @param {string} line one that was cut off counts for nothing @returns {Results[]} */
function parse(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

/** @param {string} file @param {Results} results */
export function keepRun(file, results) {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify(results)}\n`);
}

/** What both runs measured, before and now. @param {Results} before @param {Results} now */
export function changes(before, now) {
  const old = new Map(headlines(before));
  const rows = headlines(now).flatMap(([name, value]) => {
    const was = old.get(name);
    if (was === undefined) return [];
    const change = (value / was - 1) * 100;
    return [[name, shown(was), shown(value), `${change >= 0 ? '+' : ''}${change.toFixed(1)} %`]];
  });
  const head = `Since ${before.at} (commit ${before.machine.commit})`;
  return `## ${head}\n\n${table(['figure', 'before', 'now', 'change'], rows)}`;
}

/**
 * The figures that are worth comparing; in all but `deliveries/s` less is better.
 * @param {Results} results
 * @returns {[string, number][]}
 */
function headlines({ live, users, idle, history, scale, sizes }) {
  /** @type {[string, number][]} */
  const lines = [];
  for (const [load, by] of Object.entries(live)) {
    for (const [system, { cpu, perSecond, p99 }] of Object.entries(by)) {
      lines.push([`${load}, ${system}: CPU s/100k`, cpu]);
      lines.push([`${load}, ${system}: deliveries/s`, perSecond]);
      lines.push([`${load}, ${system}: p99 ms`, p99]);
    }
  }
  if (users) lines.push(['users: CPU s/100k', users.users.cpu], ['users: against rooms', users.ratio]);
  for (const [system, { nodeKib, nodeKibLive, cpuMs, anewMs }] of Object.entries(idle ?? {})) {
    lines.push([`idle, ${system}: KiB a socket`, nodeKib]);
    lines.push([`idle, ${system}: KiB a socket, no garbage`, nodeKibLive]);
    lines.push([`idle, ${system}: CPU ms of the first connect`, anewMs]);
    lines.push([`idle, ${system}: CPU ms of the next connect`, cpuMs]);
  }
  for (const { messages, page, cpuMs } of history?.pages ?? [])
    lines.push([`history, ${messages}, ${page}: CPU ms`, cpuMs]);
  for (const [kind, by] of Object.entries(scale ?? {})) {
    for (const [count, { cpu }] of Object.entries(by))
      lines.push([`scale, ${count} ${kind}: CPU s/100k`, cpu]);
  }
  for (const [what, bytes] of Object.entries(sizes ?? {})) lines.push([`sizes, ${what}: bytes`, bytes]);
  return lines;
}

/** @param {number} value */
function shown(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
