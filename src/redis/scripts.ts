import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** An atomic operation: one Lua file whose header says what it takes and answers. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

const FOLDER = new URL('./lua/', import.meta.url);

/** Reads `lua/<name>.lua` with its `-- @include` lines put in. Throws when a file is missing. */
function load(name: string): Script {
  const read = (file: string) => readFileSync(new URL(`${file}.lua`, FOLDER), 'utf8');
  const source = read(name).replace(/^-- @include (\w+)$/gm, (_, include: string) =>
    read(`include/${include}`),
  );
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}

/** All scripts. Redis knows them by their content, so two versions live side by side during a rollout. */
export const scripts = {
  agentLease: load('agent_lease'),
  append: load('append'),
  createRoom: load('create_room'),
  endLease: load('end_lease'),
  ensureUser: load('ensure_user'),
  claimPair: load('claim_pair'),
  enter: load('enter'),
  fields: load('fields'),
  fileState: load('file_state'),
  leases: load('leases'),
  linkUser: load('link_user'),
  owe: load('owe'),
  receipt: load('receipt'),
  leave: load('leave'),
  online: load('online'),
  renewLease: load('renew_lease'),
  recent: load('recent'),
  returnAttempt: load('return_attempt'),
  seen: load('seen'),
  takeAttempt: load('take_attempt'),
  unread: load('unread'),
} as const;

/** What runs a script: a connection. */
export type ScriptRunner = Pick<Redis, 'evalsha' | 'eval'>;

/**
 * Runs a script by its hash, and by its text when this Redis has not seen it (a new one, a fail-over).
 * A NOSCRIPT answer means that nothing ran, so the second try is no repeat.
 */
export async function runScript(
  redis: ScriptRunner,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return await redis.eval(script.source, keys.length, ...keys, ...args);
  }
}
