import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RealtimeStats } from '../realtime/stats.js';
import { descriptorLimit } from './descriptors.js';
import { STATUS } from './errors.js';

/** What the sockets count. */
export interface SocketStats {
  /** Open sockets by dialect. */
  readonly open: Map<string, number>;
  /** Frames received by dialect. */
  readonly received: Map<string, number>;
  /** Closed by this node, by close code. */
  readonly closed: Map<number, number>;
  /** Upgrades that were refused because too many came at once. */
  crowded: number;
}

/** What the agent counts. */
export interface AgentCounts {
  readonly pending: number;
  /** Answers by outcome. */
  readonly answers: ReadonlyMap<string, number>;
  /** Failures of the model by reason. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface MetricSources {
  readonly agent: AgentCounts;
  readonly sockets: SocketStats;
  readonly realtime: RealtimeStats;
  /** Bytes waiting in outboxes right now. */
  readonly outboxBytes: () => number;
  readonly feeds: () => number;
  readonly redisConnects: () => number;
  readonly deafness: () => number;
  readonly undecodable: () => number;
  readonly leasesLost: () => number;
}

/** Seconds: from a healthy Redis on the same host to one that is nearly given up. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Seconds of an answer: from the first words of a quick model to one that is nearly given up. */
const ANSWER_BUCKETS = [0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];

/** The node's metrics, and those that are observed as things happen. */
export interface Metrics {
  readonly registry: Registry;
  readonly appendSeconds: Histogram;
  readonly appendErrors: Counter<'code'>;
  readonly deliverySeconds: Histogram;
  readonly agentSeconds: Histogram;
}

/** Metrics for Prometheus. Counters are read from where the work is done, at the moment of the scrape. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  // Each look at the event loop wakes the process: the default is every 10 ms.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const { sockets, realtime, agent } = sources;
  gauge(registry, 'parlance_sockets', 'Open sockets.', 'dialect', () => sockets.open);
  counter(
    registry,
    'parlance_frames_received_total',
    'Frames from clients.',
    'dialect',
    () => sockets.received,
  );
  counter(
    registry,
    'parlance_messages_delivered_total',
    'Messages written to sockets.',
    'dialect',
    () => realtime.delivered,
  );
  counter(
    registry,
    'parlance_sockets_closed_total',
    'Sockets closed by this node.',
    'code',
    () => sockets.closed,
  );
  total(
    registry,
    'parlance_upgrades_crowded_total',
    'Upgrades refused because too many came at once.',
    () => sockets.crowded,
  );
  single(registry, 'parlance_outbox_bytes', 'Bytes waiting for slow sockets.', sources.outboxBytes);
  single(registry, 'parlance_feeds', 'Rooms read by this node.', sources.feeds);
  single(registry, 'parlance_max_fds', 'Limit of open file descriptors; -1: unknown.', descriptorLimit);
  total(registry, 'parlance_feed_gaps_total', 'Times a feed missed something.', () => realtime.gaps);
  total(
    registry,
    'parlance_feed_recovered_messages_total',
    'Messages delivered from the log because they did not come live.',
    () => realtime.recovered,
  );
  total(
    registry,
    'parlance_feed_rollbacks_total',
    'Times Redis lost acknowledged messages.',
    () => realtime.rollbacks + realtime.resyncs,
  );
  total(
    registry,
    'parlance_feed_rolled_back_messages_total',
    'Messages that this node handed out and Redis then lost.',
    () => realtime.rolledBack,
  );
  total(registry, 'parlance_reader_stalls_total', 'Sockets that read too slowly.', () => realtime.stalls);
  total(registry, 'parlance_log_reads_total', 'Pages read from logs for readers.', () => realtime.logReads);
  total(registry, 'parlance_redis_connects_total', 'Times the subscriber connected.', sources.redisConnects);
  total(registry, 'parlance_deafness_total', 'Times subscriptions were found dead.', sources.deafness);
  total(registry, 'parlance_events_undecodable_total', 'Events of an unknown format.', sources.undecodable);
  total(registry, 'parlance_leases_lost_total', 'Times the lease of this node ran out.', sources.leasesLost);
  single(
    registry,
    'parlance_agent_pending',
    'Questions to the agent without an answer, over all nodes; 0 on a node without an agent.',
    () => agent.pending,
  );
  counter(
    registry,
    'parlance_agent_answers_total',
    'Answers of the agent, and apologies for not having one.',
    'outcome',
    () => agent.answers,
  );
  counter(
    registry,
    'parlance_agent_failures_total',
    'Times the model did not answer.',
    'reason',
    () => agent.failures,
  );
  const appendErrors = new Counter({
    name: 'parlance_append_errors_total',
    help: 'Sends that were not acknowledged.',
    labelNames: ['code'],
    registers: [registry],
  });
  // From the start, so that the first one of a kind is a rise and not a beginning.
  for (const code of Object.keys(STATUS)) appendErrors.inc({ code }, 0);
  return {
    registry,
    appendErrors,
    appendSeconds: histogram(registry, 'parlance_append_seconds', 'From a send to its place in the log.'),
    deliverySeconds: histogram(
      registry,
      'parlance_delivery_seconds',
      'From a place in the log to local sockets.',
    ),
    agentSeconds: histogram(
      registry,
      'parlance_agent_seconds',
      'From a question to its stored answer.',
      ANSWER_BUCKETS,
    ),
  };
}

function histogram(
  registry: Registry,
  name: string,
  help: string,
  buckets: number[] = LATENCY_BUCKETS,
): Histogram {
  return new Histogram({ name, help, buckets, registers: [registry] });
}

function single(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function total(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

type Labelled = ReadonlyMap<string | number, number>;

function gauge(registry: Registry, name: string, help: string, label: string, read: () => Labelled): void {
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [value, n] of read()) this.set({ [label]: String(value) }, n);
    },
  });
}

function counter(registry: Registry, name: string, help: string, label: string, read: () => Labelled): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, n] of read()) this.inc({ [label]: String(value) }, n);
    },
  });
}
