import { addressOf, plainId } from './ids.js';
import type { Attachment, DialectName, Draft, Message, Receipt, Status } from './types.js';

/** A frame, parsed. */
export type Frame = Readonly<Record<string, unknown>>;

/** What a frame says, in the terms of the client. */
export type Said =
  | { readonly kind: 'messages'; readonly messages: readonly Message[]; readonly ref?: string | undefined }
  | { readonly kind: 'ack'; readonly ref: string; readonly id: string; readonly at: number }
  | { readonly kind: 'receipt'; readonly receipt: Receipt; readonly frame: Frame }
  | { readonly kind: 'presence'; readonly text: string; readonly at: number }
  | { readonly kind: 'delta'; readonly text: string; readonly at: number | undefined }
  | {
      readonly kind: 'error';
      readonly detail: string;
      readonly ref: string | undefined;
      readonly retry: boolean;
    }
  | { readonly kind: 'cursor'; readonly cursor: string }
  | { readonly kind: 'reset' }
  | { readonly kind: 'unknown' };

/** How one document is spoken on its socket. Pure: frames in, meaning out, and back. */
export interface Speech {
  readonly name: DialectName;
  /** Whether one socket carries all chats of a user; otherwise it is for one room. */
  readonly wide: boolean;
  /** Path of the socket. */
  path(user: string, room: string): string;
  /** Path that answers with the status with which the socket would be refused. */
  probe(user: string, room: string): string;
  message(draft: Draft, ref: string): Frame;
  askCursor(): Frame;
  /** Reports a message as delivered or read; undefined where the document has no such frame. An error bears the `ref`. */
  report?(receipt: Receipt, user: string, ref: string): Frame | undefined;
  /** Confirms a receipt that is repeated until it is. */
  confirm?(frame: Frame): Frame;
  /** Never throws: what it does not know is `unknown`. */
  read(frame: Frame): Said;
}

/** The parts of a message as a document has them. */
interface Parts {
  readonly id: unknown;
  readonly sender: unknown;
  readonly text: unknown;
  readonly at: unknown;
  readonly attachments?: unknown;
  readonly status?: Status | undefined;
}

/** A message of any document. */
export function messageOf({ id, sender, text, at, attachments, status }: Parts): Message {
  const plain = plainId(id);
  return {
    id: plain,
    ...addressOf(plain),
    sender: plainId(sender),
    text: String(text ?? ''),
    at: timeOf(at),
    attachments: Array.isArray(attachments) ? attachments.map(attachmentOf) : [],
    status,
  };
}

/** What `user` has sent, as an acknowledgement that does not repeat it says that it is stored. */
export function messageOfDraft(draft: Draft, user: string, id: string, at: number): Message {
  const { text, attachments = [] } = draft;
  const files = attachments.map(attachmentOf);
  return { id, ...addressOf(id), sender: user, text, at, attachments: files, status: 'sent' };
}

/** A file as documents show one: its reference alone, or an object. */
export function attachmentOf(file: unknown): Attachment {
  if (typeof file === 'string') {
    return { url: file, name: undefined, size: undefined, contentType: undefined };
  }
  const { url, name, size, content_type } = objectOf(file);
  return {
    url: String(url),
    name: typeof name === 'string' ? name : undefined,
    size: typeof size === 'number' ? size : undefined,
    contentType: typeof content_type === 'string' ? content_type : undefined,
  };
}

/** A frame's text, read; undefined when it is no JSON. */
export function parseFrame(text: string): Frame | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** What is no object is an empty one. */
export function objectOf(value: unknown): Frame {
  return typeof value === 'object' && value !== null ? (value as Frame) : {};
}

export function refOf(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : String(value);
}

/** A documented time in milliseconds; 0 where there is none. */
export function timeOf(value: unknown): number {
  const ms = Date.parse(String(value));
  return Number.isNaN(ms) ? 0 : ms;
}

/** Frames that all documents but netrox have in common. */
export function readCommon(frame: Frame): Said {
  switch (frame.type) {
    case 'cursor':
      return { kind: 'cursor', cursor: String(frame.cursor) };
    case 'reset':
      return { kind: 'reset' };
    case 'delta':
      return {
        kind: 'delta',
        text: String(frame.text ?? ''),
        at: typeof frame.at === 'number' ? frame.at : undefined,
      };
    case 'error':
      return errorOf(frame.detail, frame);
    default:
      return { kind: 'unknown' };
  }
}

/** What a service says that cannot do it now; no document but one gives its error frames a status. */
const PASSING =
  /^(too many messages|the service is temporarily unavailable|(the message|this) may or may not have been stored)\b/;

/** `said` is the object that holds `ref`; `retry` is whether the same again has a chance, where more than words tell. */
export function errorOf(detail: unknown, said: Frame, retry?: boolean): Said {
  const words = String(detail);
  return { kind: 'error', detail: words, ref: refOf(said.ref), retry: retry ?? PASSING.test(words) };
}
