import { messageId } from '../../core/cursor.js';
import { type UserId, userIdAsUuid } from '../../core/ids.js';
import { type Attachment, bareProfile, type Message, type Profile, type Room } from '../../core/model.js';
import { givenAndFamily } from '../../core/people.js';
import { otherParticipant } from '../../core/rooms.js';
import { toMicroseconds } from '../../core/time.js';

/** The name that messages sent through this document carry. */
export const DIALECT = 'netrox';

/** Makes the address of a file, good for a short time and without a token: a picture in a page sends no headers. */
export type Link = (file: Attachment) => string;

/** Bytes of the units that sizes are written in. */
const KB = 1_024;
const MB = 1_024 * KB;

/** The envelope of every answer that is no error. */
export function success<T>(entity: T, message: string | null) {
  return { status: 'success' as const, entity, message, success: true as const };
}

/** The envelope of every error. */
export function failure(message: string) {
  return { status: 'failure' as const, entity: null, message, success: false as const };
}

export function userBody(profile: Profile) {
  const { id, email, picture } = profile;
  const { given, family } = givenAndFamily(profile);
  const known = given !== '' || family !== '' || picture !== null;
  return {
    id: userIdAsUuid(id),
    email,
    profile: known ? { first_name: given, last_name: family, photo: picture } : null,
  };
}

/** A message as histories show it, to those whose `profiles` are given. `seen`: its receiver has read it. */
export function messageBody(
  message: Message,
  room: Room,
  profiles: ReadonlyMap<UserId, Profile>,
  seen: boolean,
  link: Link,
) {
  const { attachments, sender } = message;
  const created = httpTime(message.createdMs);
  return {
    id: messageId(message),
    sender: participantBody(sender, profiles),
    receiver: participantBody(otherParticipant(room, sender), profiles),
    attached_file_size: sizeOf(attachments[0]),
    message: message.text,
    // Messages are never edited and never deleted.
    updated: created,
    created,
    seen,
    deleted: false as const,
    attached_file: attachments[0] ? link(attachments[0]) : null,
    attached_file_name: attachments[0]?.name ?? null,
    thread: room.id,
    ...severalFiles(attachments, link),
  };
}

/** A thread. Who is `user_one` never changes: participants stand in the order of their ids, whoever looks. */
export function threadBody(room: Room, profiles: ReadonlyMap<UserId, Profile>) {
  const [one, two] = room.participants as [UserId, UserId];
  const created = httpTime(room.createdMs);
  return {
    id: room.id,
    user_one: participantBody(one, profiles),
    user_two: participantBody(two, profiles),
    // Spelt as documented, and as it is meant.
    craeted: created,
    created,
  };
}

/** `re_message`, or `re_message_file` for a message with a file. */
export function messageFrame(message: Message, room: Room, link: Link): string {
  const { sender, text, attachments } = message;
  const [file] = attachments;
  const ends = {
    sender_id: userIdAsUuid(sender),
    receiver_id: userIdAsUuid(otherParticipant(room, sender)),
    timestamp: socketTime(message.createdMs),
    created_msg_id: messageId(message),
  };
  if (!file) return JSON.stringify({ message_body: text, ...ends, action: 're_message' });
  return JSON.stringify({
    message_body: text,
    attached_file_name: file.name,
    attached_file_size: sizeOf(file),
    attached_file_url: link(file),
    ...ends,
    action: 're_message_file',
    ...severalFiles(attachments, link),
  });
}

/** Tells the socket whose frame had `ref` that it was done, and for which message. */
export function ackFrame(message: Message, ref: string | number): string {
  const timestamp = socketTime(message.createdMs);
  return JSON.stringify({ action: 'ack', ref, created_msg_id: messageId(message), timestamp });
}

// The documented fields have room for one file.
function severalFiles(attachments: readonly Attachment[], link: Link) {
  return attachments.length > 1 ? { attachments: attachments.map((file) => fileBody(file, link)) } : {};
}

function fileBody(file: Attachment, link: Link) {
  return { attached_file: link(file), attached_file_name: file.name, attached_file_size: sizeOf(file) };
}

/** `86.73KB`, from 1 MiB up `1.20MB`, without a file `0kb`. */
function sizeOf(file: Attachment | undefined): string {
  if (!file) return '0kb';
  return file.size < MB ? `${(file.size / KB).toFixed(2)}KB` : `${(file.size / MB).toFixed(2)}MB`;
}

function participantBody(user: UserId, profiles: ReadonlyMap<UserId, Profile>) {
  return userBody(profiles.get(user) ?? bareProfile(user));
}

// HTTP answers and frames write the zone differently, as documented.
function httpTime(ms: number): string {
  return `${toMicroseconds(ms)}Z`;
}

function socketTime(ms: number): string {
  return `${toMicroseconds(ms)}+00:00`;
}
