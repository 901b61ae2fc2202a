import t from 'tap';
import * as ws from 'ws';
import { textFrame } from '../../src/realtime/frame.js';

// What ws itself writes for an unmasked text in one piece; its types leave this out.
const { frame } = (ws as unknown as { Sender: unknown }).Sender as {
  frame(data: Buffer, options: object): Buffer[];
};
const byWs = (text: string) =>
  Buffer.concat(frame(Buffer.from(text), { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true }));

t.test('a frame has the bytes that ws would write', async (t) => {
  for (const size of [0, 1, 125, 126, 127, 255, 256, 65_534, 65_535, 65_536, 65_537, 1_000_000]) {
    t.ok(textFrame('x'.repeat(size)).equals(byWs('x'.repeat(size))), `${size} bytes`);
  }
  for (const text of ['é'.repeat(63), '💬'.repeat(31), `${'é'.repeat(62)}x`, '\u0000', '漢'.repeat(21_846)]) {
    t.ok(textFrame(text).equals(byWs(text)), `${Buffer.byteLength(text)} bytes of ${text.length} units`);
  }
});
