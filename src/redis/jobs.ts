import { AGENT_LEASE_MS, type AgentJob, type AgentJobs } from '../core/agent-jobs.js';
import type { Offset, RoomId } from '../core/ids.js';
import { type Client, disconnect, guard } from './connection.js';
import type { StreamEntry } from './events.js';
import { keys, PARTITIONS, roomPartition } from './keys.js';
import { runScript, scripts } from './scripts.js';

const GROUP = 'agents';
/** How long a node waits for a job in one call, in ms: well within the deadline of a command. */
const BLOCK_MS = 1_000;
/** Jobs that the stream keeps, about: what is trimmed the sweep brings back. */
const MAX_JOBS = 10_000;
/** Questions of one partition that a sweep looks at, and rooms that it wakes for. */
const SWEPT_QUESTIONS = 1_000;
const SWEPT_ROOMS = 1_000;
/** How long it is known which question of a room was begun to be answered last, in seconds. */
const BEGUN_TTL_S = 3_600;
/** How long the number of pending questions is believed, in seconds. */
const COUNT_TTL_S = 60;
/** A consumer that holds nothing and was not heard of for this long is a node that is gone. */
const GONE_MS = 3_600_000;

const ALL_PARTITIONS = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/**
 * What awaits the agent. The truth is a sorted set per partition (score: room, member: room and offset), which the
 * append script keeps; the stream with its consumer group only hands out where to look, and may forget.
 */
export class RedisAgentJobs implements AgentJobs {
  readonly #client: Client;
  readonly #connect: () => Client;
  readonly #consumer: string;
  #reader: Client | undefined;

  /** `client`: with role `commands`. `reader`: makes another such client, which waits for jobs and does nothing else. */
  constructor(client: Client, reader: () => Client, consumer: string) {
    this.#client = client;
    this.#connect = reader;
    this.#consumer = consumer;
  }

  async wake(room: RoomId): Promise<void> {
    await guard(this.#client.xadd(keys.agentJobs, 'MAXLEN', '~', MAX_JOBS, '*', 'room', room));
  }

  async take(count: number): Promise<AgentJob[]> {
    this.#reader ??= this.#connect();
    const reader = this.#reader;
    const answer = (await this.#inGroup(() =>
      reader.xreadgroup(
        'GROUP',
        GROUP,
        this.#consumer,
        'COUNT',
        count,
        'BLOCK',
        BLOCK_MS,
        'STREAMS',
        keys.agentJobs,
        '>',
      ),
    )) as [string, StreamEntry[]][] | null;
    return (answer?.[0]?.[1] ?? []).map((entry) => jobOf(entry, false));
  }

  async takeOver(count: number): Promise<AgentJob[]> {
    const answer = (await this.#inGroup(() =>
      this.#client.xautoclaim(keys.agentJobs, GROUP, this.#consumer, AGENT_LEASE_MS, '0-0', 'COUNT', count),
    )) as [string, StreamEntry[]];
    return answer[1].map((entry) => jobOf(entry, true));
  }

  async done({ id }: AgentJob): Promise<void> {
    await guard(this.#client.xack(keys.agentJobs, GROUP, id));
    await guard(this.#client.xdel(keys.agentJobs, id));
  }

  async hold(room: RoomId, token: string): Promise<boolean> {
    return (await this.#lease(room, token, 'hold')) === 1;
  }

  async release(room: RoomId, token: string): Promise<void> {
    await this.#lease(room, token, 'release');
  }

  async next(room: RoomId): Promise<Offset | undefined> {
    const pending = keys.agentPending(roomPartition(room));
    const [first] = await guard(
      this.#client.zrange(pending, String(room), String(room), 'BYSCORE', 'LIMIT', 0, 1),
    );
    return first === undefined ? undefined : Number(first.split(':')[1]);
  }

  async begin(room: RoomId, question: Offset): Promise<boolean> {
    const before = this.#client.set(keys.agentBegun(room), question, 'EX', BEGUN_TTL_S, 'GET');
    return Number((await guard(before)) ?? 0) === question;
  }

  async drop(room: RoomId, question: Offset): Promise<void> {
    const member = `${room}:${String(question).padStart(16, '0')}`;
    await guard(this.#client.zrem(keys.agentPending(roomPartition(room)), member));
  }

  async sweep(everyMs: number): Promise<number> {
    // A little less than the pause: the claim must not outlive it into the next round.
    const claim = this.#client.set(keys.agentSweep, this.#consumer, 'PX', Math.ceil(everyMs * 0.9), 'NX');
    if ((await guard(claim)) !== 'OK') return Number((await guard(this.#client.get(keys.agentWaiting))) ?? 0);
    const counts = await guard(
      Promise.all(ALL_PARTITIONS.map((partition) => this.#client.zcard(keys.agentPending(partition)))),
    );
    const waiting = counts.reduce((sum, count) => sum + count, 0);
    await guard(this.#client.set(keys.agentWaiting, waiting, 'EX', COUNT_TTL_S));
    await this.#wakeForgotten(ALL_PARTITIONS.filter((partition) => counts[partition] !== 0));
    await this.#forgetConsumers();
    return waiting;
  }

  /** Ends the connection that waits for jobs, if there is one. Never throws. */
  async close(): Promise<void> {
    if (this.#reader) await disconnect(this.#reader);
  }

  async #wakeForgotten(partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return;
    const rooms = new Set<RoomId>();
    for (const partition of partitions) {
      const range = this.#client.zrange(
        keys.agentPending(partition),
        '0',
        String(SWEPT_QUESTIONS - 1),
        'WITHSCORES',
      );
      (await guard(range)).forEach((part, i) => {
        if (i % 2 === 1) rooms.add(Number(part));
      });
    }
    // Read after the questions: a job that was there when one was asked, and is not now, has been looked at since.
    const jobs = (await guard(
      this.#client.xrange(keys.agentJobs, '-', '+', 'COUNT', 2 * MAX_JOBS),
    )) as StreamEntry[];
    for (const entry of jobs) rooms.delete(jobOf(entry, false).room);
    for (const room of [...rooms].slice(0, SWEPT_ROOMS)) await this.wake(room);
  }

  async #forgetConsumers(): Promise<void> {
    const consumers = (await this.#inGroup(() => this.#client.xinfo('CONSUMERS', keys.agentJobs, GROUP))) as (
      | string
      | number
    )[][];
    for (const flat of consumers) {
      const field = (name: string) => flat[flat.indexOf(name) + 1];
      if (field('pending') !== 0 || Number(field('idle')) < GONE_MS) continue;
      await guard(this.#client.xgroup('DELCONSUMER', keys.agentJobs, GROUP, String(field('name'))));
    }
  }

  async #lease(room: RoomId, token: string, how: 'hold' | 'release'): Promise<number> {
    const args = [token, how, AGENT_LEASE_MS];
    const answer = runScript(this.#client, scripts.agentLease, [keys.agentLease(room)], args);
    return (await guard(answer)) as number;
  }

  /** Runs a command of the group; makes the group first when this Redis has none. */
  async #inGroup(command: () => Promise<unknown>): Promise<unknown> {
    try {
      return await command();
    } catch (error) {
      if (!(error instanceof Error && /NOGROUP|no such key/i.test(error.message)))
        return guard(Promise.reject(error));
    }
    await guard(this.#createGroup());
    return guard(command());
  }

  async #createGroup(): Promise<void> {
    try {
      await this.#client.xgroup('CREATE', keys.agentJobs, GROUP, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error; // another node was faster
    }
  }
}

function jobOf([id, fields]: StreamEntry, claimed: boolean): AgentJob {
  return { id, room: Number(fields[1]), claimed };
}
