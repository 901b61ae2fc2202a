import { Cluster, type Redis } from 'ioredis';
import { type Client, guard, unavailable } from './connection.js';
import { byTag } from './keys.js';
import { runScript, scripts } from './scripts.js';

/** Commands of one turn of the event loop: past it a long list would hold up everyone else. */
const BULK = 500;

/** What bulk commands use: the same on one Redis and on a cluster. */
type Bulk = Pick<Redis, 'hget' | 'hmget' | 'hgetall' | 'smembers' | 'xrevrange' | 'xlen'>;

/**
 * One command per item, `BULK` at a time; answers in the order of the items.
 * @throws ChatError unavailable
 */
export async function inBulk<I, O>(
  client: Client,
  items: readonly I[],
  command: (redis: Bulk, item: I) => Promise<O>,
): Promise<O[]> {
  const answers: O[] = [];
  for (let i = 0; i < items.length; i += BULK) {
    const part = items.slice(i, i + BULK).map((item) => command(client, item));
    answers.push(...(await guard(Promise.all(part))));
  }
  return answers;
}

/**
 * The same fields of many hashes, in the order of `hashes`: few calls, since each command of its own costs the node
 * about a kilobyte and a timer. On a cluster one call for each slot that is touched.
 * @throws ChatError unavailable
 */
export async function fieldsOf(
  client: Client,
  hashes: readonly string[],
  fields: readonly string[],
): Promise<(string | null)[][]> {
  return inCalls(client, hashes, async (part) => {
    return JSON.parse((await runScript(client, scripts.fields, part, fields)) as string);
  });
}

/**
 * As {@link fieldsOf}, with undefined for those whose server is away: on a cluster one may be without the others.
 * @throws ChatError unavailable when nobody answers
 */
export async function fieldsOfThoseThere(
  client: Client,
  hashes: readonly string[],
  fields: readonly string[],
): Promise<((string | null)[] | undefined)[]> {
  const read = async (part: readonly string[]) => {
    const rows = await fieldsOf(client, part, fields);
    return part.map((hash, i) => [hash, rows[i] as (string | null)[]] as const);
  };
  const found = new Map(await ofThoseThere(client, hashes, read));
  return hashes.map((hash) => found.get(hash));
}

/**
 * What `read` answers for each of `names`, in their order: `BULK` names a call, on a cluster those of one slot.
 * @throws ChatError unavailable
 */
async function inCalls<T>(
  client: Client,
  names: readonly string[],
  read: (names: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  const answers: T[] = [];
  for (let i = 0; i < names.length; i += BULK) {
    const part = names.slice(i, i + BULK);
    answers.push(...(await guard(client instanceof Cluster ? bySlot(part, read) : read(part))));
  }
  return answers;
}

/**
 * What `read` answers for those of `names` that are there, in no order: on a cluster one primary may be away without the
 * others.
 * @throws ChatError unavailable when nobody answers
 */
export async function ofThoseThere<T>(
  client: Client,
  names: readonly string[],
  read: (names: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  if (names.length === 0) return [];
  const answers = await Promise.allSettled((client instanceof Cluster ? byTag(names) : [names]).map(read));
  const failed = answers.filter((answer) => answer.status === 'rejected');
  if (failed.length === answers.length) throw unavailable(failed[0]?.reason);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

async function bySlot<T>(
  names: readonly string[],
  read: (names: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  const found = new Map<string, T>();
  const take = async (part: readonly string[]) => {
    const values = await read(part);
    part.forEach((name, i) => {
      found.set(name, values[i] as T);
    });
  };
  await Promise.all(byTag(names).map(take));
  return names.map((name) => found.get(name) as T);
}
