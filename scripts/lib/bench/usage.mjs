/** What processes have used so far, as the kernel counts it. */

import { existsSync, readFileSync } from 'node:fs';
import { Fault } from '../fail.mjs';

/** Of /proc/<pid>/stat: 100 a second on every Linux that Node runs on. */
const TICKS = 100;
const PAGE_KIB = 4;

/** @throws Fault where processes cannot be measured this way */
export function needProc() {
  if (!existsSync('/proc/self/stat'))
    throw new Fault('The benchmark reads CPU times from /proc: it needs Linux.');
}

/**
 * CPU seconds, of user and system, all threads.
 * @param {number} pid
 */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field is the name in brackets, and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory in KiB. @param {number} pid */
export function residentKib(pid) {
  return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_KIB;
}

/** @param {readonly number[]} values */
export function sum(values) {
  return values.reduce((all, one) => all + one, 0);
}

/** @param {readonly number[]} values @returns {number} NaN when there is none */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/**
 * @param {readonly number[]} sorted
 * @param {number} share 0 to 1
 * @returns {number} NaN when there is none
 */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
