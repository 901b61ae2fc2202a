import { createHash } from 'node:crypto';

/** What the first buffer holds: most files are no larger. The next one holds a whole part. */
const FIRST_BYTES = 256 * 1024;

/** A piece of an upload, and its SHA-256 in hex. */
export interface Part {
  readonly bytes: Buffer;
  readonly sha256: string;
  /** Whether nothing comes after it. */
  readonly last: boolean;
}

/**
 * Cuts what `source` yields into parts of `partBytes`; the last one is smaller, and empty for an empty source. All parts
 * lie in one buffer, one after the other: a part is good until the next one is asked for.
 */
export async function* partsOf(
  source: AsyncIterable<Uint8Array>,
  partBytes: number,
): AsyncGenerator<Part, void, undefined> {
  let buffer: Buffer = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, partBytes));
  let filled = 0;
  let hash = createHash('sha256');
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      // Only now is it sure that something comes after a full part.
      if (filled === partBytes) {
        yield { bytes: buffer, sha256: hash.digest('hex'), last: false };
        filled = 0;
        hash = createHash('sha256');
      }
      if (filled === buffer.length) buffer = whole(buffer, partBytes);
      const piece = chunk.subarray(at, at + buffer.length - filled);
      buffer.set(piece, filled);
      hash.update(piece);
      filled += piece.length;
      at += piece.length;
    }
  }
  yield { bytes: buffer.subarray(0, filled), sha256: hash.digest('hex'), last: true };
}

// Pages that are never written to cost nothing: growing step by step would only leave more behind.
function whole(start: Buffer, partBytes: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(partBytes);
  start.copy(buffer);
  return buffer;
}
