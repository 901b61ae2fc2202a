import { setTimeout as sleep } from 'node:timers/promises';
import type { DeltaEvent } from '../core/model.js';
import { AnswerDraft, shortened } from './draft.js';
import { type FailureReason, type Model, ModelError, type Turn } from './model.js';
import { type AgentStats, count } from './stats.js';

/** How often a model is asked for one answer, and how long it may take in all, in ms. */
const ATTEMPTS = 4;
const DEADLINE_MS = 600_000;
/** The pause before the second attempt; each later one is twice as long. At most what a model may ask for. */
const PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;

/** What the agent says when the model does not. */
const APOLOGIES: Partial<Record<FailureReason, string>> = {
  busy: 'I could not answer: too much is being asked of the model behind me. Please ask again in a while.',
  refused:
    'I could not answer: the model behind me refused the request. Whoever runs this service should have a look.',
};
const APOLOGY =
  'I could not answer: the model behind me cannot be reached or did not finish. Please ask again later.';

export interface WriterOptions {
  readonly model: Model;
  /** Longest answer in bytes of UTF-8; what is longer is cut. */
  readonly maxBytes: number;
  readonly stats: AgentStats;
  /** Takes each failure, once per attempt. */
  readonly onFailure: (error: ModelError) => void;
}

/** What is to be stored. */
export interface Written {
  readonly text: string;
  readonly outcome: 'answered' | 'apologised';
}

/**
 * Lets the model write an answer, shown by `publish` as it grows; asks again, after growing pauses, when it fails, and in
 * the end says in words that there is no answer. `anew`: somebody else may have begun to show one.
 * @throws the reason of `signal` once that is aborted, and nothing else
 */
export async function write(
  { model, maxBytes, stats, onFailure }: WriterOptions,
  turns: readonly Turn[],
  publish: (event: DeltaEvent) => Promise<void>,
  signal: AbortSignal,
  anew = false,
): Promise<Written> {
  const draft = new AnswerDraft(maxBytes, publish, anew);
  const deadline = performance.now() + DEADLINE_MS;
  for (let attempt = 1; ; attempt += 1) {
    const left = AbortSignal.timeout(Math.max(1, Math.ceil(deadline - performance.now())));
    try {
      return { text: await once(model, turns, draft, AbortSignal.any([signal, left])), outcome: 'answered' };
    } catch (error) {
      draft.stop();
      signal.throwIfAborted();
      const failure = failureOf(error, left.aborted);
      count(stats.failures, failure.reason);
      onFailure(failure);
      const pauseMs = pauseAfter(failure, attempt);
      if (pauseMs === undefined || performance.now() + pauseMs > deadline) {
        return { text: shortened(APOLOGIES[failure.reason] ?? APOLOGY, maxBytes), outcome: 'apologised' };
      }
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

async function once(
  model: Model,
  turns: readonly Turn[],
  draft: AnswerDraft,
  signal: AbortSignal,
): Promise<string> {
  draft.restart();
  for await (const piece of model.answer(turns, signal)) {
    draft.add(piece);
    if (draft.full) break;
  }
  const text = await draft.finish();
  if (text.trim() === '') throw new ModelError('garbage', 'the answer was empty');
  return text;
}

function failureOf(error: unknown, late: boolean): ModelError {
  if (late) return new ModelError('silent', 'the answer was not finished in time');
  return error instanceof ModelError ? error : new ModelError('garbage', String(error));
}

/** How long to wait before the next attempt, in ms; undefined when there is none. */
function pauseAfter({ reason, retryAfterMs }: ModelError, attempt: number): number | undefined {
  if (reason === 'refused' || attempt >= ATTEMPTS) return undefined;
  const own = PAUSE_MS * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
  return Math.min(MAX_PAUSE_MS, Math.max(own, retryAfterMs ?? 0));
}
