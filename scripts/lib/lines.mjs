/** Lines of a stream, one at a time: memory is bounded by the longest line allowed, whatever the file. */

const NEWLINE = 10;

/** @typedef {{ number: number, bytes: Buffer | undefined }} Line `bytes` is undefined for a line that is too long */

/**
 * @param {AsyncIterable<Buffer>} stream
 * @param {number} maxBytes the longest line, without its end
 * @returns {AsyncGenerator<Line>}
 */
export async function* linesOf(stream, maxBytes) {
  let number = 1;
  let size = 0;
  /** @type {Buffer[]} */
  let parts = [];
  const take = () => {
    const line = { number, bytes: size > maxBytes ? undefined : Buffer.concat(parts) };
    number += 1;
    size = 0;
    parts = [];
    return line;
  };
  /** @param {Buffer} part */
  const add = (part) => {
    size += part.length;
    if (size <= maxBytes) parts.push(part);
    else parts = [];
  };

  for await (const chunk of stream) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, at));
      yield take();
      from = at + 1;
    }
    add(chunk.subarray(from));
  }
  if (size > 0) yield take();
}
