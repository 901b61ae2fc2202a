import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { ChatError } from '../core/errors.js';
import type { Files, ReceivedFile } from '../core/files.js';
import type { Identity, ProfileClaims } from '../core/identity.js';
import type { UserId } from '../core/ids.js';
import type { Messages } from '../core/messages.js';
import type { Attachment, EphemeralEvent, Message, Room, UserEvent } from '../core/model.js';
import type { People } from '../core/people.js';
import type { Presence } from '../core/ports.js';
import type { Receipts } from '../core/receipts.js';
import type { Encoder, Ref } from '../core/rendering.js';
import type { Rooms } from '../core/rooms.js';

/**
 * A documented API: a translation between its paths, bodies and frames and the core. It knows no
 * Redis, no socket and no other dialect. Adding one is a folder beside this file and a line in app.ts.
 */
export interface Dialect {
  readonly name: string;
  /** Unknown paths below this one are answered in its shape. */
  readonly unknownBelow?: string;
  /** An error as the document shows errors. */
  renderError(error: ChatError): { status: number; body: unknown };
  /** The shape of what {@link renderError} makes, for the API documents. */
  readonly errorShape: TSchema;
  /** Registers routes and sockets on a scope of the dialect's own. */
  register(scope: FastifyInstance, context: DialectContext): void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the API documents say of a route beyond the schemas that check it. */
    docs?: RouteDocs;
  }
}

/** Parts of a request that are read by the core, which says more exactly what is wrong with them. */
export interface RouteDocs {
  readonly query?: TSchema;
  readonly headers?: TSchema;
  /** A form with files, as which the request is sent. */
  readonly form?: TSchema;
}

/** What a dialect is given. */
export interface DialectContext {
  readonly people: People;
  readonly rooms: Rooms;
  readonly messages: Messages;
  readonly receipts: Receipts;
  readonly presence: Presence;
  readonly files: Files;
  /**
   * The bearer of the request's token, known to the core from now on.
   * @throws ChatError unauthorized without a valid token
   */
  authenticate(request: FastifyRequest): Promise<Identity>;
  /** The same, undefined when the request has no valid token. */
  identify(request: FastifyRequest): Promise<Identity | undefined>;
  /**
   * Reads a form with files and hands it to `use`. Its files are stored by then and belong to nothing: `use` keeps them in
   * a room. When anything fails, `use` too, none of them is kept.
   * @throws ChatError bad_request, too_large, unavailable; whatever `use` throws
   */
  upload<T>(request: FastifyRequest, rules: UploadRules, use: (form: UploadForm) => Promise<T>): Promise<T>;
  /** A token for a user made here. */
  mintToken(user: UserId, claims: ProfileClaims): Promise<string>;
  /** Opens a WebSocket path on the dialect's scope. */
  socket(scope: FastifyInstance, route: SocketRoute): void;
}

/** What a form with files may hold. */
export interface UploadRules {
  /** Whose files they become. */
  readonly owner: UserId;
  /** The only field that may hold a file. */
  readonly field: string;
  /** Whether it may hold more than one. */
  readonly several: boolean;
}

/** A form that was read to its end. */
export interface UploadForm {
  /** A field that is no file, as it came. */
  field(name: string): string | undefined;
  readonly files: readonly ReceivedFile[];
}

/** A WebSocket path. */
export interface SocketRoute {
  readonly path: string;
  readonly docs: SocketDocs;
  readonly encoder: Encoder;
  /**
   * Decides before the upgrade who comes and what they read.
   * @throws ChatError: answered as HTTP in the dialect's shape, and there is no socket
   */
  admit(request: FastifyRequest): Promise<Admission>;
  /**
   * Takes one frame: whatever JSON the client sent. Frames of a socket are taken one after the other.
   * @throws ChatError: answered as an error frame; the socket stays open
   */
  onFrame(frame: unknown, socket: ChatSocket, ref: Ref | undefined): void | Promise<void>;
  /** Where the `ref` of a frame stands, unchecked; undefined where there is none. Never throws. */
  refOf(frame: unknown): unknown;
  /** The socket has what it starts with and is live. */
  onOpen?(socket: ChatSocket): void | Promise<void>;
  /** An event in one of its rooms that the encoder's `wants` let through. */
  onEvent?(event: EphemeralEvent, room: Room, socket: ChatSocket): void;
  /** What concerns its user; user-level sockets only. */
  onUserEvent?(event: UserEvent, socket: ChatSocket): void;
  onClose?(socket: ChatSocket): void;
}

/** What the API documents say of a socket. Frames by a name of their own. */
export interface SocketDocs {
  readonly summary: string;
  readonly query: TSchema;
  /** Frames that clients send, each as the schema that checks it. */
  readonly receives: Readonly<Record<string, TSchema>>;
  /** Frames that clients get. */
  readonly sends: Readonly<Record<string, TSchema>>;
}

export interface Admission {
  readonly user: UserId;
  /** When the token ends (ms since the epoch): the socket is closed then. */
  readonly expiresAt: number | undefined;
  readonly reads: RoomReads | UserReads;
}

/** A socket that reads one room. */
export interface RoomReads {
  readonly kind: 'room';
  readonly room: Room;
  /** `?since=` as it came, unchecked: a room's cursor or a message's id. */
  readonly since: unknown;
  /** Whether a socket without `since` starts with the newest page, or with what comes. */
  readonly history: boolean;
  /** Whether the others in the room hear that this user is there. */
  readonly announced: boolean;
}

/** A socket that reads all direct rooms of its user, those made later too. */
export interface UserReads {
  readonly kind: 'user';
  /** `?since=` as it came, unchecked: a cursor handed out by such a socket. */
  readonly since: unknown;
}

/** A message for a room. */
export interface SocketSend {
  readonly room: Room;
  /** Unchecked: as it came. */
  readonly text: unknown;
  /** What the dialect calls the text, for the error. */
  readonly field: string;
  readonly ref: Ref | undefined;
  readonly attachments?: readonly Attachment[];
}

/** An open socket. */
export interface ChatSocket {
  readonly user: UserId;
  /** The room that it reads; undefined for a user-level socket. */
  readonly room: Room | undefined;
  /** Sends a message. The acknowledging frame, or the error frame, comes by itself; nothing is thrown. */
  send(message: SocketSend): void;
  /**
   * Shows a stored message with files, which this socket's client has drawn already, to all other live readers that
   * wait for it. Each socket is shown it once.
   * @throws ChatError unavailable
   */
  announce(message: Message): Promise<void>;
  /** Sends a frame to this socket only. */
  reply(text: string): void;
  /**
   * For what a frame asks and may take long until it is safe, which a receipt does with `durable`: then the next frames are
   * taken meanwhile, and its errors go to the client by themselves. What is answered has to be waited for.
   */
  meanwhile(work: Promise<void>, ref: Ref | undefined): Promise<void> | undefined;
  /**
   * Sends a frame with where this socket is, as an opaque string for `?since=`, when all that was done meanwhile is done:
   * behind what was sent before it, and before what was not.
   */
  replyCursor(): Promise<void>;
}
