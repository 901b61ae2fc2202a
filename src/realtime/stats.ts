import { ChatError } from '../core/errors.js';

/** What the live side counts; the process shows it as metrics. */
export interface RealtimeStats {
  /** Messages written to sockets, by dialect. */
  readonly delivered: Map<string, number>;
  /** Times a feed found that it had missed something. */
  gaps: number;
  /** Messages that a feed delivered from the log because they did not come live. */
  recovered: number;
  /** Times a log turned out to have another history than was delivered (a fail-over lost entries). */
  rollbacks: number;
  /** Rollbacks too deep to go on from: readers started over. */
  resyncs: number;
  /** Messages handed out that the log no longer has; where nothing is common, as many as the feed remembers. */
  rolledBack: number;
  /** Times a socket fell out of live delivery because it read too slowly. */
  stalls: number;
  /** Pages read from the log for readers. */
  logReads: number;
  /** Takes the age (ms) of a message at the moment it is handed to local sockets. */
  onDelivery: (ageMs: number) => void;
  /** Takes what went wrong and is tried again, although Redis is not away: a fault of ours. */
  onFault: (error: unknown) => void;
}

export function realtimeStats(): RealtimeStats {
  return {
    delivered: new Map(),
    gaps: 0,
    recovered: 0,
    rollbacks: 0,
    resyncs: 0,
    rolledBack: 0,
    stalls: 0,
    logReads: 0,
    onDelivery: () => undefined,
    onFault: () => undefined,
  };
}

/** Tells of a failure that is retried, unless it is what the retry is for: Redis that is away. */
export function reportFault(stats: Pick<RealtimeStats, 'onFault'>, error: unknown): void {
  if (!(error instanceof ChatError && error.code === 'unavailable')) stats.onFault(error);
}
