import type { ConnectionState, EndReason, SocketConstructor } from './connection.js';
import type { Speech } from './speech.js';
import type { Message, Receipt } from './types.js';

/** What happens on a channel. */
export interface ChannelEvents {
  /** A message, once, in the order of its room. `own`: this channel sent it. */
  message: [message: Message, own: boolean];
  receipt: [receipt: Receipt];
  /** Somebody came to the room or left it, in the document's words. */
  presence: [text: string, at: number];
  /** The agent types: this belongs at that place of its answer (0: it begins anew). The message itself follows. */
  delta: [text: string, at: number | undefined];
  /** The place to resume from no longer exists, or there was none yet: what is shown is to be loaded anew. */
  reset: [];
  /** Live, after each connect: what came before has been delivered. */
  ready: [];
  state: [state: ConnectionState];
  /** Not tried any more. */
  ended: [reason: EndReason];
  /** Every frame as it travels. */
  frame: [direction: 'in' | 'out', text: string];
  /** The service refused a frame that was no send. */
  refused: [detail: string];
}

export interface ChannelOptions {
  readonly speech: Speech;
  /** The room of a room socket; '' where the document has one socket for all. */
  readonly room: string;
  readonly user: string;
  readonly WebSocket: SocketConstructor;
  /** Where to resume from: a message's id (room sockets), or a cursor. */
  readonly since?: string | undefined;
  /** See {@link ConnectionOptions}; the path has its query already. */
  address(path: string, expired: boolean): Promise<{ url: string; protocols?: string[] } | undefined>;
  refusal(probe: string): Promise<'retry' | 'unauthorized' | 'gone'>;
  readonly random?: () => number;
}
