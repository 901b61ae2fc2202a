import { ChatError } from '../../core/errors.js';
import type { ReceiptStatus } from '../../core/model.js';

/**
 * An id in a frame: text, or a whole number as other documents write it.
 * @throws ChatError bad_request, naming `field`
 */
export function referenceOf(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '') return value;
  if (Number.isSafeInteger(value) && (value as number) >= 0) return String(value);
  throw new ChatError('bad_request', `${field} must be a non-empty string`, { field });
}

/** @throws ChatError bad_request */
export function statusOf(value: unknown): ReceiptStatus {
  if (value === 'delivered' || value === 'read') return value;
  throw new ChatError('bad_request', 'status must be "delivered" or "read"', { field: 'status' });
}

/**
 * `stop` of a receipt: a boolean, or one in quotes as the document prints it; absent is false.
 * @throws ChatError bad_request
 */
export function stopOf(value: unknown): boolean {
  if (value === undefined || value === false || value === 'false') return false;
  if (value === true || value === 'true') return true;
  throw new ChatError('bad_request', 'stop must be true or false', { field: 'stop' });
}

/**
 * `attachments` of a message: references to files. What they name is not looked at.
 * @throws ChatError bad_request
 */
export function attachmentsOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const urls = Array.isArray(value) && value.every((url) => typeof url === 'string') ? value : undefined;
  if (!urls) {
    throw new ChatError('bad_request', 'attachments must be an array of strings', { field: 'attachments' });
  }
  return urls;
}
