import { inlineExtensions } from './media-types.js';

/** Longest name that is kept, in bytes of UTF-8: what file systems take. */
const MAX_NAME_BYTES = 255;
/** Longest extension that a shortened name keeps. */
const MAX_EXTENSION = 16;
const NAMELESS = 'file';

/**
 * A file's name as it is kept and shown: the last part of a path, without control characters, line separators, lone
 * surrogates, and marks that change the direction of reading. Names are shown, and never used to find anything.
 */
export function cleanFileName(given: string | undefined): string {
  const plain = (given ?? '')
    .normalize('NFC')
    .replace(/\p{Surrogate}|\p{Cc}|\p{Zl}|\p{Zp}|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, '');
  const last = plain.slice(Math.max(plain.lastIndexOf('/'), plain.lastIndexOf('\\')) + 1).trim();
  return /^[.\s]*$/.test(last) ? NAMELESS : shorten(last);
}

function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name;
  const extension = new RegExp(`\\.[^.\\s]{1,${MAX_EXTENSION}}$`, 'u').exec(name)?.[0] ?? '';
  const room = MAX_NAME_BYTES - Buffer.byteLength(extension);
  let kept = '';
  let bytes = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    kept += character;
  }
  return kept.trimEnd() + extension;
}

/** What a browser is told about a file. */
export interface Serving {
  readonly contentType: string;
  /** `Content-Disposition` (RFC 6266). */
  readonly disposition: string;
}

/**
 * How a file is served: shown when its type is one that may be, else as a download of unknown type. A shown file's name
 * gets the extension of what it is, so that saving it makes no page or program of it.
 */
export function servingOf(file: { readonly name: string; readonly contentType: string }): Serving {
  const extensions = inlineExtensions(file.contentType);
  if (!extensions)
    return { contentType: 'application/octet-stream', disposition: disposition('attachment', file.name) };
  const lower = file.name.toLowerCase();
  const fits = extensions.some((extension) => lower.endsWith(`.${extension}`));
  const name = fits ? file.name : `${file.name}.${extensions[0]}`;
  return { contentType: file.contentType, disposition: disposition('inline', name) };
}

function disposition(kind: 'inline' | 'attachment', name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/gu, '_');
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${extended(name)}`;
}

/** `name` in the characters of RFC 8187, section 3.2.1. */
function extended(name: string): string {
  return encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
