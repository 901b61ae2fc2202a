/**
 * OpenTelemetry traces. Imported only where they are wanted: nothing of this is loaded otherwise. Headers, sampling and
 * the rest are read by the exporter from the variables that OpenTelemetry documents (OTEL_EXPORTER_OTLP_HEADERS,
 * OTEL_TRACES_SAMPLER ...).
 */

import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { FastifyInstance } from 'fastify';
import { redactUrl } from './redact.js';

/** How long the last spans may hold up the end of a node, in ms. */
const CLOSE_MS = 3_000;

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null;
  }
}

/** The traces of a node: a span for each request and for each append. */
export interface Tracing {
  /** Watches the requests of a server; before its routes are registered. */
  watch(app: FastifyInstance): void;
  /** An append that just ended, in the request that it belongs to, if to any. `failed`: why it failed, if it did. */
  appended(seconds: number, failed: string | undefined): void;
  /** Sends what has not been sent, or gives it up after a few seconds. Never throws. */
  close(): Promise<void>;
}

/** Starts to trace to the collector at `endpoint` (OTLP over HTTP). One that is away costs nothing but the spans. */
export function startTracing(endpoint: string, nodeId: string): Tracing {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': process.env.OTEL_SERVICE_NAME ?? 'parlance',
      'service.instance.id': nodeId,
    }).merge(defaultResource()),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
  });
  provider.register();
  const tracer = trace.getTracer('parlance');
  return {
    watch(app) {
      app.decorateRequest('span', null);
      app.addHook('onRequest', (request, _, done) => {
        const { config, url: route } = request.routeOptions;
        // Probes would drown everything else; a socket would be a span of hours.
        if (config.unlimited || request.ws) return done();
        const parent = propagation.extract(context.active(), request.headers);
        const attributes = {
          'http.request.method': request.method,
          'url.path': redactUrl(request.url).replace(/\?.*$/s, ''),
          ...(route === undefined ? {} : { 'http.route': route }),
        };
        const name = route === undefined ? request.method : `${request.method} ${route}`;
        const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
        request.span = span;
        request.log = request.log.child({ trace: span.spanContext().traceId });
        context.with(trace.setSpan(parent, span), done);
      });
      app.addHook('onResponse', async (request, reply) => {
        request.span?.setAttribute('http.response.status_code', reply.statusCode);
        if (reply.statusCode >= 500) request.span?.setStatus({ code: SpanStatusCode.ERROR });
        request.span?.end();
      });
    },
    appended(seconds, failed) {
      const span = tracer.startSpan('append', { startTime: Date.now() - seconds * 1_000 });
      if (failed !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failed });
      span.end();
    },
    close: () => {
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      return Promise.race([provider.shutdown().catch(() => undefined), late]);
    },
  };
}
