import type { RoomId } from '../core/ids.js';
import type { Attachment, EphemeralEvent, Message, Profile, RoomEvent, UserEvent } from '../core/model.js';
import { decodeId, encodeId } from './keys.js';

/**
 * What travels on a room's channel. The first character is the format's version, so that nodes of
 * two releases can live side by side: a node drops (and counts) what it does not understand, and
 * the log makes up for it. Version 1:
 * - `1[...]`: messages, as `append.lua` writes them: [offset, created, nonce, previous nonce,
 *   sender, text, attachments, via, sender's profile or null]
 * - `1{...}`: one ephemeral event; the `user` of a presence event is percent-encoded
 */
export const EVENT_VERSION = '1';

type Record1 = [number, number, string, string, string, string, Attachment[], string, Profile | null];

/** The events in a publication; undefined when it is not one of version 1. */
export function decodeEvents(room: RoomId, payload: string): RoomEvent[] | undefined {
  if (payload[0] !== EVENT_VERSION) return undefined;
  try {
    if (payload[1] !== '[') return [decodeEphemeral(JSON.parse(payload.slice(1)) as EphemeralEvent)];
    const records = JSON.parse(payload.slice(1)) as Record1[];
    return records.map((r) => ({
      kind: 'message' as const,
      message: messageOf(room, r),
      prev: r[3],
      profile: r[8] ?? undefined,
    }));
  } catch {
    return undefined;
  }
}

function messageOf(room: RoomId, r: Record1): Message {
  return {
    room,
    offset: r[0],
    createdMs: r[1],
    nonce: r[2],
    sender: r[4],
    text: r[5],
    attachments: r[6],
    via: r[7],
  };
}

function decodeEphemeral(event: EphemeralEvent): EphemeralEvent {
  return event.kind === 'presence' ? { ...event, user: decodeId(event.user) } : event;
}

/** An ephemeral event as a publication. */
export function encodeEphemeral(event: EphemeralEvent): string {
  const wire = event.kind === 'presence' ? { ...event, user: encodeId(event.user) } : event;
  return EVENT_VERSION + JSON.stringify(wire);
}

/** A log entry as XRANGE gives it: id and the fields of `append.lua` in their fixed order. */
export type StreamEntry = [id: string, fields: string[]];

/** The message in a log entry. */
export function decodeEntry(room: RoomId, [id, fields]: StreamEntry): Message {
  const files = fields[7] as string;
  return {
    room,
    offset: Number(id.slice(2)),
    nonce: fields[1] as string,
    sender: fields[3] as string,
    text: fields[5] as string,
    attachments: files === '' ? [] : (JSON.parse(files) as Attachment[]),
    createdMs: Number(fields[9]),
    via: fields[11] as string,
  };
}

/** What concerns one user, as a publication on the user's channel: the version, then JSON. */
export function encodeUserEvent(event: UserEvent): string {
  return EVENT_VERSION + JSON.stringify(event);
}

/** The inverse of {@link encodeUserEvent}; undefined when it is of another version. */
export function decodeUserEvent(payload: string): UserEvent | undefined {
  if (payload[0] !== EVENT_VERSION) return undefined;
  try {
    return JSON.parse(payload.slice(1)) as UserEvent;
  } catch {
    return undefined;
  }
}
