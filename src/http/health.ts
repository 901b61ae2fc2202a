import type { FastifyInstance, RouteShorthandOptions } from 'fastify';
import type { Registry } from 'prom-client';
import Type from 'typebox';

/** How long Redis may be away before this node says that it cannot serve, in ms. */
const AWAY_LIMIT_MS = 10_000;

/** What readiness is made of. */
export interface Vitals {
  /** Whether what is published arrives here. */
  readonly hearing: boolean;
  /** When Redis last answered (monotonic ms); undefined: never. */
  readonly answeredAt: number | undefined;
}

/** Says whether this node is alive and whether it can serve. */
export class Health {
  draining = false;
  readonly #vitals: Vitals;

  constructor(vitals: Vitals) {
    this.#vitals = vitals;
  }

  /** Why this node is not ready; empty when it is. */
  faults(): string[] {
    const { hearing, answeredAt } = this.#vitals;
    const faults: string[] = [];
    if (this.draining) faults.push('draining');
    if (answeredAt === undefined) faults.push('Redis has not answered yet');
    else if (performance.now() - answeredAt > AWAY_LIMIT_MS) faults.push('Redis does not answer');
    if (!hearing && faults.length === 0) faults.push('what is published does not arrive here');
    return faults;
  }
}

const Ready = Type.Object({ status: Type.Literal('ready') });
const NotReady = Type.Object({ status: Type.Literal('not ready'), reasons: Type.Array(Type.String()) });
const SCHEMAS = {
  healthz: { summary: 'Whether it lives', response: { 200: Type.Object({ status: Type.Literal('ok') }) } },
  readyz: { summary: 'Whether it can serve', response: { 200: Ready, 503: NotReady } },
  metrics: { summary: 'Metrics for Prometheus', produces: ['text/plain'], response: { 200: Type.String() } },
};

/** `/healthz` (alive, whatever Redis does), `/readyz` and `/metrics`. None of them counts towards limits. */
export function registerHealth(app: FastifyInstance, health: Health, metrics: Registry): void {
  const options = (route: keyof typeof SCHEMAS): RouteShorthandOptions => ({
    config: { unlimited: true },
    logLevel: 'warn',
    schema: { tags: ['operators'], security: [], ...SCHEMAS[route] },
  });
  app.get('/healthz', options('healthz'), () => ({ status: 'ok' }));
  app.get('/readyz', options('readyz'), (_, reply) => {
    const faults = health.faults();
    if (faults.length === 0) return { status: 'ready' };
    reply.code(503);
    return { status: 'not ready', reasons: faults };
  });
  app.get('/metrics', options('metrics'), async (_, reply) => {
    reply.header('content-type', metrics.contentType);
    return metrics.metrics();
  });
}
