import type { AgentJobs } from './agent-jobs.js';
import { ChatError } from './errors.js';
import { AGENT_USER, type Offset, type RoomId, type UserId } from './ids.js';
import { bareProfile, type Message, type Profile, type Room } from './model.js';
import type { AttemptStore } from './ports.js';

/** The agent as people see it. Nothing of it is stored: it is the same on every node. */
export const AGENT_PROFILE: Profile = {
  ...bareProfile(AGENT_USER),
  name: 'Assistant',
  username: 'Assistant',
};

const WINDOW_MS = 60_000;

/** How an answer is sent: its `via` names the question, so that the log tells what is answered. */
export function answerVia(question: Offset): string {
  return `agent:${question}`;
}

/** The question that a message answers; undefined when it is none of the agent's answers. */
export function answeredBy(message: Message): Offset | undefined {
  const match = /^agent:(\d+)$/.exec(message.via);
  return match ? Number(match[1]) : undefined;
}

/** Whether a message of `sender` in this room is one that the agent answers. */
export function isQuestion(room: Room, sender: UserId): boolean {
  return room.kind === 'agent' && sender !== AGENT_USER;
}

/** What is done around a question, wherever it comes in: how many somebody may ask, and waking whoever answers. */
export class Questions {
  readonly #jobs: Pick<AgentJobs, 'wake'>;
  readonly #attempts: AttemptStore;
  readonly #perMinute: number;

  /** `perMinute`: questions of one person in a minute, over all rooms and nodes; 0: no limit. */
  constructor(jobs: Pick<AgentJobs, 'wake'>, attempts: AttemptStore, perMinute: number) {
    this.#jobs = jobs;
    this.#attempts = attempts;
    this.#perMinute = perMinute;
  }

  /** @throws ChatError rate_limited when `user` has asked too much */
  async admit(user: UserId): Promise<void> {
    if (this.#perMinute === 0) return;
    const waitMs = await this.#attempts.take(`agent:${user}`, this.#perMinute, WINDOW_MS);
    if (waitMs === 0) return;
    throw new ChatError('rate_limited', 'too many messages to the assistant; try again later', {
      retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)),
    });
  }

  /** A question is stored. Nobody waits for this: a wake-up that is lost is made up for. */
  asked(room: RoomId): void {
    this.#jobs.wake(room).catch(() => undefined);
  }
}
