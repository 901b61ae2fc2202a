/** Messages on their way into the log, below all documents. */

import type { Room } from '../../src/core/model.js';
import { nonceSource } from '../../src/core/nonce.js';
import type { Draft } from '../../src/core/ports.js';

const nonce = nonceSource();

/** A draft of somebody in `room`, each with a nonce of its own. */
export function draftOf(room: Room, more: Partial<Draft> = {}): Draft {
  const plain = { sender: 'ann', text: 'hello', attachments: [], via: 'rooms' };
  return { ...plain, room, nonce: nonce(), key: undefined, profile: undefined, ...more };
}
