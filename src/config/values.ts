/** Readers of the values that are more than a number, a word or a URL. Each throws SettingFault. */

import { isIP } from 'node:net';
import { SettingFault } from './settings.js';

/** One Sentinel's address. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Whose forwarded headers are believed: no one's, anyone's, of that many hops, or of these addresses. */
export type TrustProxy = boolean | number | readonly string[];

/** Fewest bytes of a secret: RFC 7518, section 3.2, wants a key no shorter than the hash of HS256. */
const MIN_SECRET_BYTES = 32;
const PLACEHOLDER =
  /change.?(me|this|it)|replace.?(me|this)|place.?holder|password|example|insecure|letmein|qwerty|(my|your|super|top|jwt).{0,9}secret|secret.?key/i;

/** One secret of HS256 tokens: at least 32 bytes that are not easily guessed. */
export function readSecret(secret: string): string {
  if (Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
    throw new SettingFault(`has a secret of fewer than ${MIN_SECRET_BYTES} bytes`);
  }
  if (PLACEHOLDER.test(secret)) throw new SettingFault('has a secret that reads like a placeholder');
  if (new Set(secret).size < 8) throw new SettingFault('has a secret of fewer than 8 different characters');
  if (repeats(secret)) throw new SettingFault('has a secret that repeats itself');
  if (counts(secret)) throw new SettingFault('has a secret that counts up or down');
  return secret;
}

/** Whether the text is a shorter one over and over, perhaps cut short in the last round. */
function repeats(secret: string): boolean {
  for (let period = 1; period <= secret.length / 2; period += 1) {
    if (secret.startsWith(secret.slice(period))) return true;
  }
  return false;
}

/** Whether most characters are a neighbour of the one before: `abcdef...`, `0123...`. */
function counts(secret: string): boolean {
  let steps = 0;
  for (let i = 1; i < secret.length; i += 1) {
    if (Math.abs(secret.charCodeAt(i) - secret.charCodeAt(i - 1)) <= 1) steps += 1;
  }
  return steps * 2 > secret.length;
}

/** One or more Redis URLs. They may hold a password, and so may be long-lived secrets. */
export function readRedisUrls(value: string): readonly string[] {
  // A password may hold a comma: only one that begins another URL parts two of them.
  const urls = value.split(/\s*,\s*(?=rediss?:)/);
  if (!urls.every(isRedisUrl)) {
    throw new SettingFault('must be redis://host:port or rediss://host:port, each entry of a list too');
  }
  if (new Set(urls.map((url) => new URL(url).protocol)).size > 1) {
    throw new SettingFault('must not mix redis:// and rediss://');
  }
  return Object.freeze(urls);
}

function isRedisUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, pathname } = new URL(value);
  if (protocol !== 'redis:' && protocol !== 'rediss:') return false;
  return /^(\[[0-9a-f:.]+\]|[\w.-]+)$/i.test(hostname) && /^(\/\d{0,4})?$/.test(pathname);
}

/** `host:port`, or `[address]:port` for IPv6. */
export function readHostPort(value: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) throw new SettingFault('must be a list of host:port');
  return Object.freeze({ host, port });
}

/** See {@link TrustProxy}. A bare number counts hops, so `1` is one proxy and not "anybody". */
export function readTrustProxy(value: string): TrustProxy {
  const lower = value.toLowerCase();
  if (lower === 'false' || lower === '0') return false;
  if (lower === 'true') return true;
  if (/^\d{1,2}$/.test(value)) return Number(value);
  const entries = value.split(',').map((entry) => entry.trim());
  if (!entries.every(isNetwork)) {
    throw new SettingFault('must be true, false, a number of hops, or a list of addresses and networks');
  }
  return Object.freeze(entries);
}

function isNetwork(value: string): boolean {
  if (value === 'loopback' || value === 'linklocal' || value === 'uniquelocal') return true;
  const [address = '', bits, ...more] = value.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** A node's name: it becomes part of keys and of log lines. */
export function readNodeId(value: string): string {
  if (!/^[\w.-]{1,64}$/.test(value)) throw new SettingFault('must be 1 to 64 of: letters, digits, . _ -');
  return value;
}

/** Whether only this machine can reach a server that listens on `host`. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
