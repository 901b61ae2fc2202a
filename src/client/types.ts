/** What an application sees, the same whichever document it speaks. Ids are decimal text, times are milliseconds. */

/** The five documents. */
export const DIALECTS = ['skillarena', 'netrox', 'chats', 'conversations', 'rooms'] as const;
export type DialectName = (typeof DIALECTS)[number];

/** How far a message got; it never goes back. */
export type Status = 'sent' | 'delivered' | 'read';

/** A file of a message. What a document does not tell is undefined. */
export interface Attachment {
  /** Its reference: what goes into a message, and what a short-lived address is asked for with. */
  readonly url: string;
  readonly name: string | undefined;
  readonly size: number | undefined;
  readonly contentType: string | undefined;
}

export interface Message {
  readonly id: string;
  readonly room: string;
  /** Its place in the room, from 1: messages sort by it. */
  readonly offset: number;
  readonly sender: string;
  readonly text: string;
  /** To the second or finer, as the document writes times. */
  readonly at: number;
  readonly attachments: readonly Attachment[];
  /** Undefined where the document does not tell. */
  readonly status: Status | undefined;
}

/** Somebody has got, or read, a message. */
export interface Receipt {
  readonly message: string;
  readonly by: string | undefined;
  readonly status: 'delivered' | 'read';
}

/** A message to be sent. */
export interface Draft {
  readonly text: string;
  /** The other person: needed on sockets that carry all chats of a user. */
  readonly to?: string | undefined;
  /** References of uploaded files; the skillarena document only. */
  readonly attachments?: readonly string[] | undefined;
}

/** Why something was refused, in the service's words. */
export class RefusedError extends Error {
  override name = 'RefusedError';
  /** HTTP status, 0 where none came. */
  readonly status: number;
  /** Seconds after which a repeat has a chance. */
  readonly retryAfterS: number | undefined;

  constructor(message: string, status = 0, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}
