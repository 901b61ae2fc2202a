import type { EphemeralEvent, Message, Position, Profile, Room } from '../core/model.js';
import { bareProfile } from '../core/model.js';
import type { Encoder } from '../core/rendering.js';
import { textFrame } from './frame.js';
import type { PendingSend, PendingSends } from './pending.js';
import type { Feed, Reader } from './reader.js';
import { type RealtimeStats, reportFault } from './stats.js';

/** What a feed hands to its live sockets, and where they stood before it. */
export type BatchItem =
  | {
      message: Message;
      profile: Profile | undefined;
      live: boolean;
      before: Position;
      /** Some may have been shown it before: see {@link Feed.wasShown}. */
      again: boolean;
      event?: never;
    }
  | { event: EphemeralEvent; before: Position; message?: never; again?: never };

/** A socket that sent messages of a batch, with its sends by place in the batch. */
interface OwnSends {
  readonly session: Reader;
  readonly sends: (PendingSend | undefined)[];
}

/** The frames of one batch in one dialect, each made when the first socket needs it. */
class Rendering {
  readonly encoder: Encoder;
  /** Messages handed to sockets of this dialect. */
  delivered = 0;
  readonly #room: Room;
  readonly #batch: readonly BatchItem[];
  readonly #frames: (Buffer | null | undefined)[];
  #chunk: Buffer | null | undefined;

  constructor(encoder: Encoder, room: Room, batch: readonly BatchItem[]) {
    this.encoder = encoder;
    this.#room = room;
    this.#batch = batch;
    this.#frames = new Array(batch.length).fill(undefined);
  }

  /** The frame of one item; null: this dialect says nothing of it. */
  frame(i: number): Buffer | null {
    let frame = this.#frames[i];
    if (frame === undefined) {
      const item = this.#batch[i] as BatchItem;
      const text = item.event
        ? this.encoder.event(item.event, this.#room)
        : this.encoder.message(item.message, contextOf(this.#room, item));
      frame = text === null ? null : textFrame(text);
      this.#frames[i] = frame;
    }
    return frame;
  }

  /** All frames in one piece: what a socket gets that has no part of its own in the batch. */
  get chunk(): Buffer | null {
    this.#chunk ??= this.#batch.length === 1 ? this.frame(0) : join(this.#batch.map((_, i) => this.frame(i)));
    return this.#chunk;
  }
}

/**
 * Renders a batch once per dialect, and gives the same bytes to every socket of that dialect. Only a socket whose
 * acknowledgement differs, or that an event is not meant for, gets a piece put together for itself.
 */
export class Broadcaster {
  readonly #pending: PendingSends;
  readonly #stats: RealtimeStats;

  constructor(pending: PendingSends, stats: RealtimeStats) {
    this.#pending = pending;
    this.#stats = stats;
  }

  send(feed: Feed, batch: readonly BatchItem[], sessions: readonly Reader[]): void {
    const messages = this.#countMessages(batch);
    if (sessions.length === 0) return;
    const own = this.#ownSends(batch);
    const selective = messages < batch.length || batch.some(({ again }) => again);
    const renderings: Rendering[] = []; // at most one per dialect: a list is faster than a map
    let rendering: Rendering | undefined;
    const before = (batch[0] as BatchItem).before;
    // From the end: a reader that falls behind here is taken out of the list.
    for (let i = sessions.length - 1; i >= 0; i -= 1) {
      const session = sessions[i] as Reader;
      const sends = own && sendsOf(own, session);
      if (session.stalled || sends?.some((send) => send?.undecided)) {
        session.fallBehind(feed, before);
        continue;
      }
      // Neighbours nearly always speak the same dialect.
      if (rendering?.encoder !== session.encoder)
        rendering = renderingFor(session.encoder, renderings, feed.room, batch);
      try {
        const shared = !selective && (!sends || this.#acknowledgedByAll(session.encoder, sends, batch));
        const chunk = shared ? rendering.chunk : this.#chunkFor(session, feed, batch, rendering, sends);
        if (chunk) session.push(chunk);
        rendering.delivered += messages;
      } catch (error) {
        // What cannot be shown holds up those who are to see it, not the node. They find it in the log, once it can be.
        reportFault(this.#stats, error);
        session.fallBehind(feed, before);
      }
    }
    for (const { encoder, delivered } of renderings)
      this.#stats.delivered.set(
        encoder.dialect,
        (this.#stats.delivered.get(encoder.dialect) ?? 0) + delivered,
      );
  }

  /**
   * Hands the events of a batch to those readers that await a message of their own, and so are behind. What is about a
   * message that they are yet to be shown is not for them: the log shows it with how far it has got by then.
   */
  sendEvents(feed: Feed, batch: readonly BatchItem[], behind: Iterable<Reader>): void {
    const events = batch.flatMap(({ event }) => event ?? []);
    if (events.length === 0) return;
    for (const session of behind) {
      if (session.stalled || session.sent.length === 0) continue;
      const { offset } = session.positionIn(feed) ?? feed.head;
      for (const event of events) {
        try {
          if (placeOf(event) > offset || !isFor(session, event, feed.room)) continue;
          const text = session.encoder.event(event, feed.room);
          if (text !== null) session.push(textFrame(text));
        } catch (error) {
          reportFault(this.#stats, error); // one that cannot be shown must not end the node
        }
      }
    }
  }

  #countMessages(batch: readonly BatchItem[]): number {
    let messages = 0;
    const now = Date.now();
    for (const item of batch) {
      if (!item.message) continue;
      messages += 1;
      this.#stats.onDelivery(Math.max(0, now - item.message.createdMs));
    }
    return messages;
  }

  #ownSends(batch: readonly BatchItem[]): OwnSends[] | undefined {
    if (this.#pending.size === 0) return undefined;
    let own: OwnSends[] | undefined;
    for (let i = 0; i < batch.length; i += 1) {
      const { message } = batch[i] as BatchItem;
      const send = message && this.#pending.get(message.nonce);
      if (!send) continue;
      let sends = own && sendsOf(own, send.session);
      if (!sends) {
        sends = new Array(batch.length).fill(undefined);
        const one = { session: send.session, sends };
        if (own) own.push(one);
        else own = [one];
      }
      sends[i] = send;
    }
    return own;
  }

  /** Whether the frames that everybody gets acknowledge these sends; then they no longer wait. */
  #acknowledgedByAll(
    encoder: Encoder,
    sends: readonly (PendingSend | undefined)[],
    batch: readonly BatchItem[],
  ): boolean {
    if (!encoder.ownIsShared || sends.some((send) => send?.ref !== undefined)) return false;
    sends.forEach((send, i) => {
      if (send) this.#pending.delete((batch[i] as { message: Message }).message.nonce);
    });
    return true;
  }

  #chunkFor(
    session: Reader,
    feed: Feed,
    batch: readonly BatchItem[],
    rendering: Rendering,
    sends: readonly (PendingSend | undefined)[] | undefined,
  ): Buffer | null {
    const { room } = feed;
    const frames = batch.map((item, i) => {
      if (item.event) return isFor(session, item.event, room) ? rendering.frame(i) : null;
      const send = sends?.[i];
      if (!send) return item.again && feed.wasShown(session, item.message) ? null : rendering.frame(i);
      const text = session.encoder.own(item.message, contextOf(room, item), send.ref);
      this.#pending.delete(item.message.nonce);
      return text === null ? null : textFrame(text);
    });
    return join(frames);
  }
}

/** Whether a socket is to get an event; it counts as sent then. */
function isFor(session: Reader, event: EphemeralEvent, room: Room): boolean {
  if (!session.encoder.wants(event, session.user)) return false;
  if (event.kind === 'announce' && !session.firstSight(event.message.nonce)) return false;
  session.onEvent?.(event, room);
  return true;
}

/** The offset of the message that an event is about; 0: of none that is stored. */
function placeOf(event: EphemeralEvent): number {
  if (event.kind === 'announce') return event.message.offset;
  return event.kind === 'receipt' ? event.offset : 0;
}

/** Few send at once: a list is faster than a map. */
function sendsOf(own: readonly OwnSends[], session: Reader): (PendingSend | undefined)[] | undefined {
  for (const one of own) if (one.session === session) return one.sends;
  return undefined;
}

function renderingFor(
  encoder: Encoder,
  renderings: Rendering[],
  room: Room,
  batch: readonly BatchItem[],
): Rendering {
  const known = renderings.find((one) => one.encoder === encoder);
  if (known) return known;
  const made = new Rendering(encoder, room, batch);
  renderings.push(made);
  return made;
}

function contextOf(room: Room, item: BatchItem & { message: Message }) {
  return {
    room,
    profile: item.profile ?? bareProfile(item.message.sender),
    live: item.live,
    status: 'sent' as const,
  };
}

/** The frames in one piece; null when there are none. */
function join(frames: readonly (Buffer | null)[]): Buffer | null {
  if (frames.length === 1) return frames[0] ?? null;
  const some = frames.filter((frame) => frame !== null);
  if (some.length <= 1) return some[0] ?? null;
  return Buffer.concat(some);
}
