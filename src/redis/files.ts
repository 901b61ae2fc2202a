import { randomUUID } from 'node:crypto';
import type { FileStore, StoredFile } from '../core/file-ports.js';
import type { FileId, UserId } from '../core/ids.js';
import { inBulk } from './bulk.js';
import { type Client, guard } from './connection.js';
import { keys } from './keys.js';
import { runScript, type ScriptRunner, scripts } from './scripts.js';
import type { Writes } from './writes.js';

type State = 'new' | 'kept' | 'attached' | 'condemned';

/**
 * Files in Redis hashes, and a sorted set of those that no message holds. The two lie in different slots, so they change
 * one after the other: the set may name too much, and never too little.
 */
export class RedisFiles implements FileStore {
  readonly #client: Client;
  readonly #writes: Writes;
  readonly #sweeper = randomUUID();

  /** `client`: with role `commands`. */
  constructor(client: Client, writes: Writes) {
    this.#client = client;
    this.#writes = writes;
  }

  async begin(id: FileId, key: string, owner: UserId): Promise<void> {
    await this.#list(id);
    await guard(this.#client.hset(keys.file(id), { state: 'new' satisfies State, key, owner }));
  }

  async keep({ id, room, name, size, contentType }: StoredFile): Promise<boolean> {
    const fields = { room: String(room), name, size: String(size), type: contentType };
    const kept = await this.#move(id, ['new'], 'kept', fields);
    if (kept) await this.#list(id); // its age counts from now
    return Boolean(kept);
  }

  async getMany(ids: readonly FileId[]): Promise<(StoredFile | undefined)[]> {
    const hashes = await inBulk(this.#client, ids, (redis, id) => redis.hgetall(keys.file(id)));
    return hashes.map((hash, i) => decode(ids[i] as FileId, hash));
  }

  async attach(id: FileId): Promise<boolean> {
    const move = stateMove(id, ['kept', 'attached'], 'attached');
    // A message is going to say that it has it: that has to last as long as the message.
    const attached = await this.#writes.write(keys.file(id), move);
    if (attached) await this.#unlist(id);
    return Boolean(attached);
  }

  async condemn(id: FileId, held: boolean): Promise<string | undefined> {
    // Listed first: whatever becomes of this node, it is condemned again.
    if (held) await this.#list(id);
    const from: State[] = ['new', 'kept', 'condemned', ...(held ? (['attached'] as const) : [])];
    const key = await this.#move(id, from, 'condemned');
    if (key) return key;
    await this.#unlist(id);
    return undefined;
  }

  async forget(id: FileId): Promise<void> {
    await guard(this.#client.del(keys.file(id)));
    await this.#unlist(id);
  }

  async unattached(ageMs: number, limit: number): Promise<FileId[]> {
    const before = Date.now() - ageMs;
    return guard(
      this.#client.zrange(keys.unattachedFiles, '-inf', String(before), 'BYSCORE', 'LIMIT', 0, limit),
    );
  }

  async claimSweep(forMs: number): Promise<boolean> {
    const ttl = Math.max(1, Math.floor(forMs));
    return (await guard(this.#client.set(keys.fileSweep, this.#sweeper, 'PX', ttl, 'NX'))) === 'OK';
  }

  /** See {@link stateMove}. */
  #move(
    id: FileId,
    from: readonly State[],
    to: State,
    fields?: Readonly<Record<string, string>>,
  ): Promise<string | null> {
    return guard(stateMove(id, from, to, fields)(this.#client));
  }

  async #list(id: FileId): Promise<void> {
    await guard(this.#client.zadd(keys.unattachedFiles, Date.now(), id));
  }

  async #unlist(id: FileId): Promise<void> {
    await guard(this.#client.zrem(keys.unattachedFiles, id));
  }
}

/** What moves a file: answers its key when it moved, '' when it is in another state, null when there is no such file. */
function stateMove(
  id: FileId,
  from: readonly State[],
  to: State,
  fields: Readonly<Record<string, string>> = {},
): (redis: ScriptRunner) => Promise<string | null> {
  const args = [from.join(' '), to, ...Object.entries(fields).flat()];
  return async (redis) => (await runScript(redis, scripts.fileState, [keys.file(id)], args)) as string | null;
}

function decode(id: FileId, hash: Record<string, string>): StoredFile | undefined {
  const state = hash.state as State | undefined;
  if (state !== 'kept' && state !== 'attached') return undefined;
  return {
    id,
    key: hash.key as string,
    owner: hash.owner as string,
    room: Number(hash.room),
    name: hash.name as string,
    size: Number(hash.size),
    contentType: hash.type as string,
    attached: state === 'attached',
  };
}
