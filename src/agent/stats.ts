import type { FailureReason } from './model.js';

/** What the agent counts; the process shows it as metrics. */
export interface AgentStats {
  /** Questions without an answer, over all nodes, at the last look. */
  pending: number;
  /** Answers that this node stored: the model's, and those that say that there is none. */
  readonly answers: Map<'answered' | 'apologised', number>;
  /** Times the model did not answer, by why. */
  readonly failures: Map<FailureReason, number>;
  /** Takes the time from a question to its stored answer, in seconds. */
  onAnswer: (seconds: number) => void;
}

export function agentStats(): AgentStats {
  return { pending: 0, answers: new Map(), failures: new Map(), onAnswer: () => undefined };
}

/** Counts one more of `key`. */
export function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
