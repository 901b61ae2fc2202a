/** What a file's bytes say it is. */
export interface DetectedType {
  readonly contentType: string;
  /** Without the dot; for the object's key. */
  readonly extension: string;
}

/** What nothing is known about, and what must not be taken for more. */
export const UNKNOWN_TYPE: DetectedType = { contentType: 'application/octet-stream', extension: 'bin' };

/**
 * Types that a browser may show, with the file name extensions that belong to them: pictures, sound, video and PDF. None
 * of them runs script in the page's origin. Everything else is a download of unknown type.
 */
const INLINE: Readonly<Record<string, readonly string[]>> = {
  'image/png': ['png'],
  'image/apng': ['apng', 'png'],
  'image/jpeg': ['jpg', 'jpeg', 'jpe', 'jfif'],
  'image/gif': ['gif'],
  'image/webp': ['webp'],
  'image/avif': ['avif'],
  'image/heic': ['heic'],
  'image/heif': ['heif', 'heic'],
  'image/bmp': ['bmp'],
  'audio/mpeg': ['mp3', 'mp2', 'mp1', 'mpga'],
  'audio/ogg': ['ogg', 'oga', 'opus', 'spx'],
  'audio/wav': ['wav'],
  'audio/flac': ['flac'],
  'audio/x-flac': ['flac'],
  'audio/aac': ['aac'],
  'audio/mp4': ['m4a', 'mp4'],
  'audio/x-m4a': ['m4a'],
  'video/mp4': ['mp4', 'm4v'],
  'video/x-m4v': ['m4v', 'mp4'],
  'video/webm': ['webm'],
  'video/ogg': ['ogv', 'ogg'],
  'video/quicktime': ['mov', 'qt'],
  'application/pdf': ['pdf'],
};

/** The extensions that belong to a type which may be shown; undefined for a type that is only downloaded. */
export function inlineExtensions(contentType: string): readonly string[] | undefined {
  return Object.hasOwn(INLINE, contentType) ? INLINE[contentType] : undefined;
}

/** Whether bytes begin like markup (HTML, SVG, XML), with or without a byte order mark of UTF-8 or UTF-16. */
export function looksLikeMarkup(head: Uint8Array): boolean {
  const utf16 = (head[0] === 0xfe && head[1] === 0xff) || (head[0] === 0xff && head[1] === 0xfe);
  const utf8 = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
  for (const byte of head.subarray(utf16 ? 2 : utf8 ? 3 : 0)) {
    if (SPACE.has(byte) || (utf16 && byte === 0)) continue;
    return byte === LESS_THAN;
  }
  return false;
}

const SPACE: ReadonlySet<number> = new Set(Buffer.from(' \t\n\f\r'));
const LESS_THAN = 0x3c;
