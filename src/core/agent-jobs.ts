import type { Offset, RoomId } from './ids.js';

/** Something to look at: a room in which the agent may have been asked. */
export interface AgentJob {
  readonly id: string;
  readonly room: RoomId;
  /** Whether somebody else was given it before and has not finished it. */
  readonly claimed: boolean;
}

/**
 * What awaits the agent. A question is pending from the moment at which it is stored to the moment at which its answer
 * is, both in the steps that store them; everything else here may be lost or repeated, and only says where to look.
 */
export interface AgentJobs {
  /** Lets somebody who is free look at `room`. */
  wake(room: RoomId): Promise<void>;
  /** Up to `count` jobs that nobody was given; waits for the first one for at most a second. */
  take(count: number): Promise<AgentJob[]>;
  /** Up to `count` jobs that somebody was given longer than a lease ago and has not finished. */
  takeOver(count: number): Promise<AgentJob[]>;
  done(job: AgentJob): Promise<void>;
  /**
   * Takes or prolongs the lease of a room, unless another token has it: while it lasts nobody else answers there.
   * @returns whether this token has it now
   */
  hold(room: RoomId, token: string): Promise<boolean>;
  release(room: RoomId, token: string): Promise<void>;
  /** The oldest pending question of a room. */
  next(room: RoomId): Promise<Offset | undefined>;
  /**
   * Notes that an answer to this question is begun.
   * @returns whether one was begun before: its beginning may have been shown
   */
  begin(room: RoomId, question: Offset): Promise<boolean>;
  /** A question that needs no answer: it is gone from the log. */
  drop(room: RoomId, question: Offset): Promise<void>;
  /**
   * Wakes for every room with pending questions for which no job is there. One node at a time does it.
   * @returns how many questions are pending, as far as is known
   */
  sweep(everyMs: number): Promise<number>;
}

/** How long the lease of a room lasts without being prolonged, in ms. */
export const AGENT_LEASE_MS = 9_000;
