import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AgentSide } from './agent/side.js';
import { closeServer } from './http/closing.js';
import type { Health } from './http/health.js';
import { RETURN_GRACE_MS, type SocketHost } from './http/sockets.js';
import type { Tracing } from './http/tracing.js';
import type { Hub } from './realtime/hub.js';
import type { UserFeeds } from './realtime/user-feeds.js';
import type { RedisSide } from './redis/side.js';
import type { StorageSide } from './storage/side.js';

/** How long a drain waits for answers of the agent, in ms, when everything else has ended; then another node starts anew. */
const AGENT_GRACE_MS = 2_000;

/** How long the steps may take, in ms; the first two beyond `noticeMs` and `drainMs`. */
const STEP_MS = {
  notice: 100,
  sockets: 5_500,
  server: 5_000,
  agent: AGENT_GRACE_MS + 500,
  files: 500,
  feeds: 200,
  redis: 3_500,
  traces: 500,
};

/** What a drain takes at most beyond `noticeMs` and `drainMs`, in ms. */
export const DRAIN_MARGIN_MS = Object.values(STEP_MS).reduce((sum, ms) => sum + ms);

/** What a drain ends. */
export interface Parts {
  readonly health: Health;
  readonly sockets: SocketHost;
  readonly server: FastifyInstance;
  readonly agent: AgentSide;
  readonly storage: StorageSide;
  readonly hub: Hub;
  readonly userFeeds: UserFeeds;
  readonly redis: RedisSide;
  readonly tracing: Tracing | undefined;
  readonly log: Logger;
}

/**
 * Ends a node's parts in an order in which none misses another. Every step runs though one fails, and ends in its time
 * though what it waits for does not answer: see {@link DRAIN_MARGIN_MS}. Never throws.
 * `noticeMs`, `drainMs`: see `App.drain`.
 */
export async function drain(parts: Parts, noticeMs: number, drainMs: number): Promise<void> {
  const { health, sockets, server, agent, storage, hub, userFeeds, redis, tracing, log } = parts;
  health.draining = true;
  agent.stop();
  const steps: [keyof typeof STEP_MS, () => unknown][] = [
    // Load balancers notice first: until then this node still serves what they send.
    ['notice', () => new Promise((resolve) => setTimeout(resolve, noticeMs))],
    ['sockets', () => sockets.drain(drainMs)],
    ['server', () => closeServer(server, log)],
    ['agent', () => agent.close(AGENT_GRACE_MS)],
    ['files', () => storage.close()],
    ['feeds', () => Promise.all([userFeeds.close(), hub.close()])],
    // Who only moved to another node within this time never left.
    ['redis', () => redis.close(RETURN_GRACE_MS)],
    ['traces', () => tracing?.close()],
  ];
  const beyond: Partial<typeof STEP_MS> = { notice: noticeMs, sockets: drainMs };
  for (const [step, run] of steps) {
    try {
      if (!(await endsWithin(STEP_MS[step] + (beyond[step] ?? 0), run)))
        log.warn({ step }, 'a step of the drain was given up');
    } catch (error) {
      log.error({ err: error, step }, 'a step of the drain failed');
    }
  }
}

/** Whether `run` has ended within `ms`. @throws whatever it throws in that time */
async function endsWithin(ms: number, run: () => unknown): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const work = Promise.resolve(run()).then(() => true);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
