import rateLimit, { type FastifyRateLimitStore, type FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ChatError } from '../core/errors.js';
import type { AttemptStore } from '../core/ports.js';
import type { Authenticator } from './auth.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Health, metrics and documentation do not count. */
    unlimited?: boolean;
  }
}

export interface LimitOptions {
  /** Requests and upgrades per window and client address; 0: no limit. */
  readonly max: number;
  /** Length of the window in ms. */
  readonly windowMs: number;
  /** Counts over all nodes. */
  readonly attempts: Pick<AttemptStore, 'take'>;
}

/** Many people share one address: with valid tokens it may do this much more. */
const SHARED_ADDRESS_FACTOR = 10;

/**
 * Limits requests and upgrades, over all nodes together: an address without tokens to `max` per window; with a valid
 * token its bearer to `max`, and the address to ten times that. Without Redis nothing is limited: it answers 503 anyway.
 */
export async function registerLimits(
  app: FastifyInstance,
  auth: Authenticator,
  options: LimitOptions,
): Promise<void> {
  if (options.max === 0) return;
  await app.register(rateLimit, {
    global: false,
    store: sharedCounts(options.attempts),
    timeWindow: options.windowMs,
    skipOnError: true,
  });
  const limiter = (max: number, keyGenerator: (request: FastifyRequest) => string | Promise<string>) =>
    app.createRateLimit({ max, keyGenerator });
  const { max } = options;
  const perAddress = limiter(max, (request) => `limit:address:${request.ip}`);
  const perUser = limiter(max, async (request) => `limit:user:${(await auth.peek(request))?.user}`);
  const perSharedAddress = limiter(max * SHARED_ADDRESS_FACTOR, (request) => `limit:shared:${request.ip}`);

  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.unlimited) return;
    const known = (await auth.peek(request)) !== undefined;
    for (const check of known ? [perUser, perSharedAddress] : [perAddress]) {
      const result = await check(request);
      if (!result.isAllowed && result.isExceeded) {
        throw new ChatError('rate_limited', 'too many requests', {
          retryAfterS: Math.max(1, result.ttlInSeconds),
        });
      }
    }
  });
}

/** Counts of the plugin where the service counts. Its own store for Redis would put the route of none into each key. */
function sharedCounts(attempts: LimitOptions['attempts']): FastifyRateLimitStoreCtor {
  return class implements FastifyRateLimitStore {
    incr(
      subject: string,
      done: (error: Error | null, result?: { current: number; ttl: number }) => void,
      windowMs: number,
      max: number,
    ): void {
      attempts.take(subject, max, windowMs).then(
        // How many there were does not matter: either this one counted, or there were too many.
        (waitMs) => done(null, { current: waitMs === 0 ? 1 : max + 1, ttl: waitMs }),
        (error: Error) => done(error),
      );
    }

    child(): this {
      return this;
    }
  };
}
