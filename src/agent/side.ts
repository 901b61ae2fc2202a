import type { AgentJobs } from '../core/agent-jobs.js';
import type { Messages } from '../core/messages.js';
import type { FanOut, Log, RoomStore } from '../core/ports.js';
import type { Receipts } from '../core/receipts.js';
import { seldom } from '../core/seldom.js';
import type { Model } from './model.js';
import { type AgentStats, agentStats } from './stats.js';
import { AgentWorker } from './worker.js';

/** The part of a logger that this layer needs. */
interface Logger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AgentSideOptions {
  /** `echo`: the stand-in. */
  readonly kind: 'echo' | undefined;
  /** Where the model is; undefined without one. */
  readonly baseUrl: string | undefined;
  readonly apiKey: string | undefined;
  readonly model: string | undefined;
  readonly silenceMs: number;
  readonly contextTokens: number;
  readonly prompt: string;
  readonly maxMessageBytes: number;
  readonly jobs: AgentJobs;
  readonly rooms: Pick<RoomStore, 'get'>;
  readonly log: Log;
  readonly messages: Pick<Messages, 'send'>;
  readonly receipts: Pick<Receipts, 'mark'>;
  readonly fanOut: Pick<FanOut, 'publish'>;
  readonly logger: Logger;
}

/** The AI agent of a node, or the lack of one. */
export class AgentSide {
  readonly stats: AgentStats = agentStats();
  readonly #options: AgentSideOptions;
  #worker: AgentWorker | undefined;

  constructor(options: AgentSideOptions) {
    this.#options = options;
  }

  /** Starts to answer, where an agent is configured. */
  async start(): Promise<void> {
    const model = await this.#model();
    if (!model) return;
    const { contextTokens, prompt, maxMessageBytes, logger, ...parts } = this.#options;
    const tell = seldom(5_000, (fields: object, words: string) => logger.warn(fields, words));
    this.#worker = new AgentWorker({
      ...parts,
      model,
      budget: contextTokens,
      prompt,
      maxBytes: maxMessageBytes,
      stats: this.stats,
      onFailure: ({ reason, message }) => tell({ reason, error: message }, 'the model did not answer'),
      onError: (error) => tell({ err: error }, 'the agent could not go on; trying again'),
      onDropped: (room, error) =>
        logger.error({ err: error, room: room.id }, 'an answer could not be stored'),
    });
    this.#worker.start();
  }

  /** Takes nothing more; what is being answered goes on. */
  stop(): void {
    this.#worker?.stop();
  }

  /** Gives answers under way `graceMs` to be finished, and leaves the rest to other nodes. */
  async close(graceMs: number): Promise<void> {
    await this.#worker?.close(graceMs);
  }

  async #model(): Promise<Model | undefined> {
    const { kind, baseUrl, apiKey, model, silenceMs } = this.#options;
    // Loaded where they are needed only: the client of the model is 12 MB of memory.
    if (kind === 'echo') return new (await import('./echo.js')).EchoModel();
    if (baseUrl === undefined || model === undefined) return undefined;
    return new (await import('./openai.js')).OpenAiModel({ baseUrl, apiKey, model, silenceMs });
  }
}
