/** One run of the stack per checkout: its Redis, its ports and its data are one set. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from './fail.mjs';
import { RUN } from './paths.mjs';
import { commandOf } from './process.mjs';

const LOCK = join(RUN, 'up.pid');

/**
 * Takes the lock, or says who has it.
 * @returns {() => void} gives it back
 */
export function takeLock() {
  if (!tryLock()) {
    const pid = Number(readFileSync(LOCK, 'utf8'));
    if (pid !== process.pid && commandOf(pid).includes('up.mjs')) {
      throw new Fault(`scripts/up is running here already (pid ${pid}). Stop that one with Ctrl-C first.`);
    }
    rmSync(LOCK, { force: true });
    if (!tryLock()) throw new Fault('Another scripts/up has just started here.');
  }
  return () => rmSync(LOCK, { force: true });
}

function tryLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
