import { ChatError } from './errors.js';
import { isWellFormed } from './ids.js';
import type { Ref } from './rendering.js';

/**
 * Checks a message's text: non-blank unless `mayBeBlank`, at most `maxBytes` of UTF-8, well-formed.
 * @returns the text as it was given
 * @throws ChatError bad_request, naming `field`
 */
export function checkText(value: unknown, maxBytes: number, field: string, mayBeBlank = false): string {
  if (typeof value !== 'string') throw new ChatError('bad_request', `${field} must be a string`, { field });
  if (!mayBeBlank && value.trim() === '') {
    throw new ChatError('bad_request', `${field} must not be blank`, { field });
  }
  // A UTF-16 unit is at most three bytes of UTF-8: short texts need no counting.
  if (value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes) {
    throw new ChatError('bad_request', `${field} must not be longer than ${maxBytes} bytes`, { field });
  }
  if (!isWellFormed(value))
    throw new ChatError('bad_request', `${field} must be well-formed Unicode`, { field });
  return value;
}

/** Longest idempotency key in UTF-8 bytes. */
export const MAX_KEY_BYTES = 255;

/**
 * Checks an idempotency key (the header, or a frame's `ref`).
 * @throws ChatError bad_request, naming `field`
 */
export function checkKey(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (
    typeof value !== 'string' ||
    value === '' ||
    Buffer.byteLength(value) > MAX_KEY_BYTES ||
    !isWellFormed(value)
  ) {
    throw new ChatError('bad_request', `${field} must be a string of 1 to ${MAX_KEY_BYTES} bytes`, { field });
  }
  return value;
}

/**
 * Checks a frame's `ref`: absent, a whole number, or what an idempotency key may be.
 * @throws ChatError bad_request
 */
export function checkRef(value: unknown): Ref | undefined {
  return Number.isSafeInteger(value) ? (value as number) : checkKey(value, 'ref');
}

/**
 * What a WebSocket frame says: JSON.
 * @throws ChatError bad_request for anything else, and for a binary frame
 */
export function parseFrame(data: Buffer, binary: boolean): unknown {
  if (binary) throw new ChatError('bad_request', 'binary frames are not supported');
  try {
    return JSON.parse(data.toString());
  } catch {
    throw new ChatError('bad_request', 'the frame is not valid JSON');
  }
}

/** What an error frame repeats of a frame's `ref`, fit to be one or not: a string or a number, else undefined. */
export function repeatable(value: unknown): Ref | undefined {
  return typeof value === 'string' || Number.isFinite(value) ? (value as Ref) : undefined;
}

/**
 * A JSON object, such as a frame must be.
 * @throws ChatError bad_request for anything else
 */
export function objectOf(value: unknown, what: string): Record<string, unknown> {
  const object = asObject(value);
  if (!object) throw new ChatError('bad_request', `${what} must be a JSON object`);
  return object;
}

/** `value` when it is a JSON object, else undefined. */
export function asObject(value: unknown): Record<string, unknown> | undefined {
  const fits = typeof value === 'object' && value !== null && !Array.isArray(value);
  return fits ? (value as Record<string, unknown>) : undefined;
}
