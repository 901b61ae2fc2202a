import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_PROFILE, answerVia, isQuestion } from '../core/agent.js';
import { AGENT_LEASE_MS, type AgentJobs } from '../core/agent-jobs.js';
import { ChatError } from '../core/errors.js';
import { AGENT_USER } from '../core/ids.js';
import type { Messages } from '../core/messages.js';
import type { DeltaEvent, Message, Room } from '../core/model.js';
import type { FanOut, Log } from '../core/ports.js';
import type { Receipts } from '../core/receipts.js';
import { type ContextOptions, contextOf } from './context.js';
import { count } from './stats.js';
import { type WriterOptions, type Written, write } from './writer.js';

/** How long storing an answer is tried while Redis is away, and the pause between two tries, in ms. */
const STORE_MS = 60_000;
const STORE_PAUSE_MS = 500;

export interface RunOptions extends ContextOptions, WriterOptions {
  readonly jobs: AgentJobs;
  readonly log: Log;
  readonly messages: Pick<Messages, 'send'>;
  readonly receipts: Pick<Receipts, 'mark'>;
  readonly fanOut: Pick<FanOut, 'publish'>;
  /** A question that cannot be answered, whatever is tried. */
  readonly onDropped: (room: Room, error: unknown) => void;
}

/**
 * One agent room while this node has its lease: answers its pending questions, the oldest first, until there are none. It
 * stops when the lease is somebody else's: then they answer.
 */
export class Run {
  readonly #options: RunOptions;
  readonly #room: Room;
  readonly #token: string;
  readonly #stop = new AbortController();

  constructor(options: RunOptions, room: Room, token: string) {
    this.#options = options;
    this.#room = room;
    this.#token = token;
  }

  /** Leaves what is not stored yet to somebody else. */
  abort(): void {
    this.#stop.abort();
  }

  /**
   * Resolves when nothing is pending.
   * @throws ChatError unavailable; an AbortError when it was aborted or the lease is lost
   */
  async answerAll(): Promise<void> {
    const { jobs } = this.#options;
    const { signal } = this.#stop;
    const beat = setInterval(() => void this.#keep(), AGENT_LEASE_MS / 3);
    try {
      for (;;) {
        signal.throwIfAborted();
        const question = await jobs.next(this.#room.id);
        if (question === undefined) return;
        await this.#tryToAnswer(question);
      }
    } finally {
      clearInterval(beat);
    }
  }

  async #keep(): Promise<void> {
    try {
      if (!(await this.#options.jobs.hold(this.#room.id, this.#token))) this.abort();
    } catch {
      // Redis is away. When it is back, the next beat tells whose the lease is; storing twice is not possible anyway.
    }
  }

  async #tryToAnswer(offset: number): Promise<void> {
    try {
      await this.#answer(offset);
    } catch (error) {
      if (this.#stop.signal.aborted || isPassing(error)) throw error;
      // Our fault: the same would happen each time, and nothing else in this room would ever be answered.
      this.#options.onDropped(this.#room, error);
      await this.#options.jobs.drop(this.#room.id, offset);
    }
  }

  async #answer(offset: number): Promise<void> {
    const { jobs, log, receipts, fanOut, stats } = this.#options;
    const { id } = this.#room;
    const question = await log.readOne(id, offset);
    if (!question || !isQuestion(this.#room, question.sender)) return jobs.drop(id, offset);
    const turns = await contextOf(this.#options, this.#room, question);
    if (!turns) return jobs.drop(id, offset);
    // What comes of it is nice to know and no more.
    receipts.mark(this.#room, AGENT_USER, offset, 'read').catch(() => undefined);
    const publish = (event: DeltaEvent) => fanOut.publish(id, event);
    const anew = await jobs.begin(id, offset);
    const written = await write(this.#options, turns, publish, this.#stop.signal, anew);
    if (!(await this.#store(question, written))) return;
    count(stats.answers, written.outcome);
    stats.onAnswer(Math.max(0, Date.now() - question.createdMs) / 1_000);
  }

  /** @returns whether it was stored now; what was not is looked at anew */
  async #store(question: Message, written: Written): Promise<boolean> {
    const { jobs, log, messages } = this.#options;
    const { signal } = this.#stop;
    const deadline = performance.now() + STORE_MS;
    for (;;) {
      try {
        // A fail-over may have put another message in its place.
        const now = await log.readOne(question.room, question.offset);
        signal.throwIfAborted();
        if (now?.nonce !== question.nonce) return false;
        const { repeated } = await messages.send({
          room: this.#room,
          sender: AGENT_PROFILE,
          text: written.text,
          field: 'text',
          via: answerVia(question.offset),
          key: answerVia(question.offset),
        });
        // Stored before, by whoever had the lease: what it left pending is settled.
        if (repeated) await jobs.drop(question.room, question.offset);
        return !repeated;
      } catch (error) {
        if (!isPassing(error) || performance.now() > deadline) throw error;
        await sleep(STORE_PAUSE_MS, undefined, { signal });
      }
    }
  }
}

/** Redis is away: later it may work. */
function isPassing(error: unknown): boolean {
  return error instanceof ChatError && ['unavailable', 'in_doubt'].includes(error.code);
}
