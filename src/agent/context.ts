import { answeredBy } from '../core/agent.js';
import type { Message, Room } from '../core/model.js';
import type { Log } from '../core/ports.js';
import type { Turn } from './model.js';

/** Messages of one read, and reads at most: a budget that allows more is met by the newest. */
const PAGE = 64;
const MAX_PAGES = 16;
/** What a turn costs beside its text: role and marks. */
const TURN_TOKENS = 4;
/**
 * Bytes of UTF-8 that count as one token. Tokenizers differ by model; in English a token has four bytes or more, in
 * scripts of three bytes a character has about one token: this errs on the safe side for both.
 */
const BYTES_PER_TOKEN = 3;

/** About how many tokens a text takes, rather too many than too few. */
export function tokensOf(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN) + TURN_TOKENS;
}

export interface ContextOptions {
  readonly log: Log;
  /** Tokens of all turns together, at most. */
  readonly budget: number;
  /** What the model is told before anything else; '' for nothing. */
  readonly prompt: string;
}

/**
 * What a model is to be told so that it can answer `question`: the conversation as far as it belongs before that, newest
 * first as long as the budget lasts. The question is always there, cut if it must be. Undefined when the log has an
 * answer to it already.
 */
export async function contextOf(
  { log, budget, prompt }: ContextOptions,
  room: Room,
  question: Message,
): Promise<Turn[] | undefined> {
  const system: Turn[] = prompt === '' ? [] : [{ role: 'system', text: prompt }];
  const reserved = system.reduce((sum, { text }) => sum + tokensOf(text), 0);
  const asked = cut(question.text, Math.max(0, budget - reserved - TURN_TOKENS));
  const left = budget - reserved - tokensOf(asked);
  const before = await newest(log, room, left, question);
  if (!before) return undefined;
  return [...system, ...fitting(before, left), { role: 'user', text: asked }];
}

/** Enough of the newest messages for `tokens`, in the order of the conversation; undefined when `question` is answered. */
async function newest(
  log: Log,
  room: Room,
  tokens: number,
  question: Message,
): Promise<Message[] | undefined> {
  const found: Message[] = [];
  let upTo = Number.MAX_SAFE_INTEGER;
  for (let pages = 0, used = 0; pages < MAX_PAGES; pages += 1) {
    const page = await log.readBefore(room.id, upTo, PAGE);
    if (page.some((message) => answeredBy(message) === question.offset)) return undefined;
    const earlier = page.filter((message) => placeOf(message) < question.offset);
    found.push(...earlier);
    used += earlier.reduce((sum, { text }) => sum + tokensOf(text), 0);
    upTo = (page[0]?.offset ?? 1) - 1;
    if (upTo === 0 || page.length < PAGE || (used > tokens && upTo < question.offset)) break;
  }
  return found.sort((a, b) => placeOf(a) - placeOf(b));
}

/** Where a message stands in the conversation: an answer behind its question, whatever was asked before it was written. */
function placeOf(message: Message): number {
  const question = answeredBy(message);
  return question === undefined ? message.offset : question + 0.5;
}

/** The newest of `messages` that fit into `tokens`, beginning with something that the person said. */
function fitting(messages: readonly Message[], tokens: number): Turn[] {
  const turns: Turn[] = [];
  let left = tokens;
  for (const message of [...messages].reverse()) {
    left -= tokensOf(message.text);
    if (left < 0) break;
    const role = answeredBy(message) === undefined ? 'user' : 'assistant';
    if (message.text.trim() !== '') turns.unshift({ role, text: message.text });
  }
  while (turns[0]?.role === 'assistant') turns.shift();
  return turns;
}

/** The beginning of `text` that has at most so many tokens. */
function cut(text: string, tokens: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= tokens * BYTES_PER_TOKEN) return text;
  return decodePrefix(bytes, tokens * BYTES_PER_TOKEN);
}

/** The first `length` bytes of UTF-8 as text, without a character that they hold only a part of. */
export function decodePrefix(bytes: Buffer, length: number): string {
  let end = length;
  // A byte 10xxxxxx continues a character (RFC 3629, section 3).
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
