import type { EphemeralEvent, Message, Position, Profile, Room } from '../core/model.js';
import { bareProfile } from '../core/model.js';
import type { Encoder } from '../core/rendering.js';
import { textFrame } from './frame.js';
import type { PendingSend, PendingSends } from './pending.js';
import type { Feed, Reader } from './reader.js';
import type { RealtimeStats } from './stats.js';

/** What a feed hands to its live sockets, and where they stood before it. */
export type BatchItem =
  | { message: Message; profile: Profile | undefined; live: boolean; before: Position; event?: never }
  | { event: EphemeralEvent; before: Position; message?: never };

/** The frames of one batch in one dialect. */
interface Rendered {
  readonly frames: (Buffer | undefined)[];
  /** All frames in one piece: what a socket gets that has no part of its own in the batch. */
  readonly chunk: Buffer | undefined;
}

/**
 * Renders a batch once per dialect, and gives the same bytes to every socket of that dialect. Only a socket that
 * sent one of the messages, or that an event is not meant for, gets a piece put together for itself.
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
    const selective = messages < batch.length;
    const rendered = new Map<Encoder, Rendered>();
    const before = (batch[0] as BatchItem).before;
    // From the end: a reader that falls behind here is taken out of the list.
    for (let i = sessions.length - 1; i >= 0; i -= 1) {
      const session = sessions[i] as Reader;
      const sends = own?.get(session);
      if (session.stalled || sends?.some((send) => send?.undecided)) {
        session.fallBehind(feed, before);
        continue;
      }
      let frames = rendered.get(session.encoder);
      if (!frames) {
        frames = render(session.encoder, feed.room, batch);
        rendered.set(session.encoder, frames);
      }
      const chunk =
        sends || selective ? this.#chunkFor(session, feed.room, batch, frames, sends) : frames.chunk;
      if (chunk) session.push(chunk);
      this.#countDelivered(session.encoder.dialect, messages);
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

  #countDelivered(dialect: string, messages: number): void {
    this.#stats.delivered.set(dialect, (this.#stats.delivered.get(dialect) ?? 0) + messages);
  }

  /** The sockets that sent messages of the batch, each with its sends by place in the batch. */
  #ownSends(batch: readonly BatchItem[]): Map<Reader, (PendingSend | undefined)[]> | undefined {
    if (this.#pending.size === 0) return undefined;
    let own: Map<Reader, (PendingSend | undefined)[]> | undefined;
    batch.forEach((item, i) => {
      const send = item.message && this.#pending.get(item.message.nonce);
      if (!send) return;
      own ??= new Map();
      const sends = own.get(send.session) ?? [];
      sends[i] = send;
      own.set(send.session, sends);
    });
    return own;
  }

  #chunkFor(
    session: Reader,
    room: Room,
    batch: readonly BatchItem[],
    rendered: Rendered,
    sends: (PendingSend | undefined)[] | undefined,
  ): Buffer | undefined {
    const frames = batch.map((item, i) => {
      if (item.event) {
        if (!session.encoder.wants(item.event, session.user)) return undefined;
        if (item.event.kind === 'announce' && !session.firstSight(item.event.message.nonce)) return undefined;
        session.onEvent?.(item.event, room);
        return rendered.frames[i];
      }
      const send = sends?.[i];
      if (!send) return rendered.frames[i];
      this.#pending.delete(item.message.nonce);
      const text = session.encoder.own(item.message, contextOf(room, item), send.ref);
      return text === null ? undefined : textFrame(text);
    });
    return join(frames);
  }
}

function contextOf(room: Room, item: BatchItem & { message: Message }) {
  return {
    room,
    profile: item.profile ?? bareProfile(item.message.sender),
    live: item.live,
    status: 'sent' as const,
  };
}

function render(encoder: Encoder, room: Room, batch: readonly BatchItem[]): Rendered {
  const frames = batch.map((item) => {
    const text = item.event
      ? encoder.event(item.event, room)
      : encoder.message(item.message, contextOf(room, item));
    return text === null ? undefined : textFrame(text);
  });
  return { frames, chunk: join(frames) };
}

/** The frames in one piece; undefined when there are none. */
function join(frames: readonly (Buffer | undefined)[]): Buffer | undefined {
  if (frames.length === 1) return frames[0];
  const some = frames.filter((frame) => frame !== undefined);
  if (some.length <= 1) return some[0];
  return Buffer.concat(some);
}
