/** One thing said in the conversation that a model is to go on with. */
export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

/** Why a model did not answer. All but `refused` may be over soon. */
export type FailureReason =
  | 'busy' // it says that too much is asked of it
  | 'refused' // it will not, however often it is asked: a wrong key, an unknown model
  | 'failed' // it says that it has a fault
  | 'unreachable' // nobody is there
  | 'silent' // nothing came for too long
  | 'cut' // the answer ended before it was whole
  | 'garbage'; // what came is no answer

/** A model did not answer. */
export class ModelError extends Error {
  override name = 'ModelError';
  readonly reason: FailureReason;
  /** After how long it wants to be asked again, in ms, where it said so. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: FailureReason, message: string, retryAfterMs?: number) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What writes the answers. */
export interface Model {
  /**
   * An answer to the last turn, piece by piece. It ends only when the answer is whole.
   * @throws ModelError; the reason of `signal` once that is aborted
   */
  answer(turns: readonly Turn[], signal: AbortSignal): AsyncIterable<string>;
}
