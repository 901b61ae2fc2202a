import type { RoomMarks } from '../core/marks.js';
import type { Messages } from '../core/messages.js';
import type { Message, Profile, Room } from '../core/model.js';
import type { Encoder, Ref } from '../core/rendering.js';
import type { SocketSend } from '../dialects/dialect.js';
import type { Session } from '../realtime/session.js';

export interface SendsOptions {
  readonly session: Session;
  /** The sender as known now: a newer token may have changed them since the socket was opened. */
  readonly profile: () => Profile;
  readonly encoder: Encoder;
  readonly messages: Messages;
  readonly marks: (room: Room) => Promise<RoomMarks>;
  /** See ConnectionOptions. */
  readonly holdOwn: boolean;
  readonly onError: (error: unknown, ref: Ref | undefined) => void;
  /** One of them has its outcome. */
  readonly onDone: () => void;
}

/** What one socket sends: its messages on their way to the log, and what becomes of them. */
export class Sends {
  readonly #options: SendsOptions;
  /** Sends without an outcome. */
  open = 0;

  constructor(options: SendsOptions) {
    this.#options = options;
  }

  /** Stores a message. Never rejects: the socket is told what became of it. */
  async send({ room, text, field, attachments, ref }: SocketSend): Promise<void> {
    const { session, messages, encoder, holdOwn, onError, onDone } = this.#options;
    const nonce = messages.nonce();
    this.open += 1;
    const decision = holdOwn ? deferred() : undefined;
    session.expect(nonce, ref, decision?.promise);
    try {
      const key = ref === undefined ? undefined : String(ref);
      const via = encoder.dialect;
      const sender = this.#options.profile();
      const sent = await messages.send({ room, sender, text, field, attachments, via, nonce, key });
      session.decided(nonce, sent.repeated ? undefined : sent.message.offset);
      // Nothing new comes through the room: the first message is the answer, to this socket only.
      if (sent.repeated) await this.#answer(sent.message, room, ref);
    } catch (error) {
      session.decided(nonce, undefined);
      onError(error, ref);
    } finally {
      decision?.resolve();
      this.open -= 1;
      onDone();
    }
  }

  async #answer(message: Message, room: Room, ref: Ref | undefined): Promise<void> {
    const { session, encoder, marks } = this.#options;
    const profile = this.#options.profile();
    const status = encoder.needsMarks ? (await marks(room)).statusOf(message) : 'sent';
    const frame = encoder.own(message, { room, profile, live: true, status }, ref);
    if (frame !== null) session.reply(frame);
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
