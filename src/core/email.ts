import { ChatError } from './errors.js';
import { isWellFormed } from './ids.js';

/** Longest address that mail can carry (RFC 5321, section 4.5.3.1.3), and its longest part before the `@`. */
const MAX_EMAIL_BYTES = 254;
const MAX_LOCAL_BYTES = 64;

// Everything that needs no quotes, in any script; a domain has a dot.
const EMAIL =
  /^([^\s@<>()[\],;:"\\\p{C}]+)@((?:[\p{L}\p{N}\p{M}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?\.)+[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])$/u;

/** `value` as an e-mail address without the blanks around it; undefined when it is none. */
export function parseEmail(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 2 * MAX_EMAIL_BYTES || !isWellFormed(value))
    return undefined;
  const text = value.trim().normalize('NFC');
  const local = EMAIL.exec(text)?.[1];
  if (local === undefined || /^\.|\.\.|\.$/.test(local)) return undefined;
  const fits = Buffer.byteLength(text) <= MAX_EMAIL_BYTES && Buffer.byteLength(local) <= MAX_LOCAL_BYTES;
  return fits ? text : undefined;
}

/**
 * The same, for where there must be one.
 * @throws ChatError bad_request, naming `email`
 */
export function checkEmail(value: unknown): string {
  const email = parseEmail(value);
  if (email === undefined) {
    throw new ChatError('bad_request', 'email must be an e-mail address', { field: 'email' });
  }
  return email;
}

/** What addresses that differ in case only have in common: one of them is one account. */
export function emailKey(email: string): string {
  return email.toLowerCase().normalize('NFC');
}
