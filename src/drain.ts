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
 * Ends a node's parts in an order in which none misses another. Every step runs though one fails; never throws.
 * `noticeMs`, `drainMs`: see `App.drain`.
 */
export async function drain(parts: Parts, noticeMs: number, drainMs: number): Promise<void> {
  const { health, sockets, server, agent, storage, hub, userFeeds, redis, tracing, log } = parts;
  health.draining = true;
  agent.stop();
  const steps: [string, () => unknown][] = [
    // Load balancers notice first: until then this node still serves what they send.
    ['notice', () => new Promise((resolve) => setTimeout(resolve, noticeMs))],
    ['sockets', () => sockets.drain(drainMs)],
    ['server', () => closeServer(server, log)],
    ['agent', () => agent.close(AGENT_GRACE_MS)],
    ['files', () => storage.close()],
    ['user feeds', () => userFeeds.close()],
    ['hub', () => hub.close()],
    // Who only moved to another node within this time never left.
    ['redis', () => redis.close(RETURN_GRACE_MS)],
    ['traces', () => tracing?.close()],
  ];
  for (const [step, run] of steps) {
    try {
      await run();
    } catch (error) {
      log.error({ err: error, step }, 'a step of the drain failed');
    }
  }
}
