import { Cluster, type Redis } from 'ioredis';
import { type Client, COMMAND_DEADLINE_MS, guard, isReply } from './connection.js';

/** What a Redis must be like for the promises that a node makes. */
export interface Requirements {
  readonly durability: 'fast' | 'durable';
  readonly waitReplicas: number;
}

/** What this Redis is and can. */
export interface Capabilities {
  readonly version: string;
  /** Whether it has WAITAOF. */
  readonly waitAof: boolean;
  /** What is wrong with it, one sentence each; empty: fit. */
  readonly faults: readonly string[];
}

/**
 * Looks at the Redis (one primary of a cluster stands for all).
 * @throws ChatError unavailable when it does not answer
 */
export async function inspect(client: Client, requirements: Requirements): Promise<Capabilities> {
  const redis = client instanceof Cluster ? (client.nodes('master')[0] ?? client) : client;
  const info = await guard(redis.info());
  const version = field(info, 'valkey_version') ?? field(info, 'redis_version') ?? '0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const valkey = field(info, 'valkey_version') !== undefined;
  const waitAof = !valkey ? major > 7 || (major === 7 && minor >= 2) : true;
  const faults: string[] = [];
  if (major < 7) faults.push(`Redis 7.0 or newer is needed, this one is ${version}`);
  const policy = field(info, 'maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    faults.push(`maxmemory-policy is ${policy}: it must be noeviction, or Redis deletes messages`);
  }
  if (requirements.durability === 'durable') {
    if (waitAof) faults.push(...(field(info, 'aof_enabled') === '1' ? [] : [NO_AOF]));
    else if (requirements.waitReplicas === 0) faults.push(...(await syncFaults(redis)));
  }
  return { version, waitAof, faults };
}

const NO_AOF = 'DURABILITY=durable needs the append-only file: appendonly is no on this Redis';

// Without replicas and without WAITAOF only Redis itself can put a write on disk before it answers.
async function syncFaults(redis: Redis | Cluster): Promise<string[]> {
  const answer = (await guard(redis.config('GET', 'append*'))) as string[];
  const setting = (name: string) => answer[answer.indexOf(name) + 1];
  if (setting('appendonly') === 'yes' && setting('appendfsync') === 'always') return [];
  return ['DURABILITY=durable on one Redis below 7.2 needs appendonly yes and appendfsync always'];
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** The longest wait, in ms: the connection that waits is given up a little later, with all that is under way on it. */
const LONGEST_WAIT_MS = COMMAND_DEADLINE_MS - 100;

/**
 * Waits until what a connection wrote is as safe as `durable` promises: on `waitReplicas` replicas, and on disk
 * where Redis can say so; false when that is not so in time, or Redis refuses to say. Undefined when there is nothing to
 * wait for.
 */
export function confirmation(
  requirements: Requirements & { waitTimeoutMs: number },
  capabilities: () => Capabilities | undefined,
): ((redis: Redis) => Promise<boolean>) | undefined {
  if (requirements.durability === 'fast') return undefined;
  const { waitReplicas } = requirements;
  const waitTimeoutMs = Math.min(requirements.waitTimeoutMs, LONGEST_WAIT_MS);
  return async (redis) => {
    const known = capabilities();
    if (!known) return false; // nobody has looked yet what this Redis can say
    try {
      if (!known.waitAof) {
        return waitReplicas === 0 || (await redis.wait(waitReplicas, waitTimeoutMs)) >= waitReplicas;
      }
      const answer = await redis.call('WAITAOF', 1, waitReplicas, waitTimeoutMs);
      const [local, replicas] = answer as [number, number];
      return local >= 1 && replicas >= waitReplicas;
    } catch (error) {
      // It was written all the same: this must not look like a write that was refused.
      if (isReply(error)) return false;
      throw error;
    }
  };
}
