import { setTimeout as sleep } from 'node:timers/promises';
import type { Model, Turn } from './model.js';

/** The pause between two words, and how long a long answer takes in all, in ms. */
const WORD_MS = 60;
const WHOLE_MS = 3_000;

/** A stand-in for local runs: says what was said, word by word, so that one can watch it type. */
export class EchoModel implements Model {
  async *answer(turns: readonly Turn[], signal: AbortSignal): AsyncIterable<string> {
    const words = `You said: ${turns.at(-1)?.text ?? ''}`.match(/\s*\S+\s*/g) ?? [];
    const pauseMs = Math.min(WORD_MS, WHOLE_MS / words.length);
    for (const word of words) {
      await sleep(pauseMs, undefined, { signal });
      yield word;
    }
  }
}
