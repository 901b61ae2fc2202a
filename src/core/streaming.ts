import { Readable } from 'node:stream';

/**
 * A JSON array as a stream, page by page: its memory does not grow with its length. Resolves when the first page is
 * there, so that an error before it can still be answered; an error after it breaks the stream off.
 */
export async function jsonArray<T>(
  pages: AsyncGenerator<readonly T[]>,
  render: (page: readonly T[]) => Promise<readonly string[]> | readonly string[],
  wrap: { before: string; after: string } = { before: '[', after: ']' },
): Promise<Readable> {
  const first = await pages.next();
  async function* chunks(): AsyncGenerator<string> {
    yield wrap.before;
    let separator = '';
    for (let page = first; !page.done; page = await pages.next()) {
      const items = await render(page.value);
      if (items.length === 0) continue;
      yield separator + items.join(',');
      separator = ',';
    }
    yield wrap.after;
  }
  return Readable.from(chunks(), { objectMode: false });
}
