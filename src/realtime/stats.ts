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
  /** Times a socket fell out of live delivery because it read too slowly. */
  stalls: number;
  /** Pages read from the log for readers. */
  logReads: number;
  /** Takes the age (ms) of a message at the moment it is handed to local sockets. */
  onDelivery: (ageMs: number) => void;
}

export function realtimeStats(): RealtimeStats {
  return {
    delivered: new Map(),
    gaps: 0,
    recovered: 0,
    rollbacks: 0,
    resyncs: 0,
    stalls: 0,
    logReads: 0,
    onDelivery: () => undefined,
  };
}
