import { messageId } from '../../core/cursor.js';
import type { ChatError } from '../../core/errors.js';
import { formatUuid, type RoomId, userIdAsUuid } from '../../core/ids.js';
import { type Attachment, bareProfile, type Message, type Profile, type Room } from '../../core/model.js';
import { displayName } from '../../core/people.js';
import type { Encoder, Ref } from '../../core/rendering.js';
import { toSeconds } from '../../core/time.js';

export function conversationId(room: RoomId): string {
  return formatUuid('room', room);
}

/** An error as the document shows errors; it says its HTTP status in frames too. */
export function errorBody(error: ChatError, status: number) {
  return { error: { message: error.message, status } };
}

/**
 * A person as the document shows one. E-mail and name are strings also where nothing is known: the e-mail is empty then,
 * and what the person is called elsewhere stands for the name.
 */
export function userBody(profile: Profile) {
  return {
    user_id: userIdAsUuid(profile.id),
    email: profile.email ?? '',
    name: fullName(profile) ?? displayName(profile),
    profile_picture: profile.picture,
  };
}

function fullName({ name, firstName, lastName }: Profile): string | undefined {
  return name ?? ([firstName, lastName].filter((part) => part !== null).join(' ') || undefined);
}

/** A conversation; `people` are the profiles that are known, `last` its newest message. */
export function conversationBody(
  room: Room,
  people: ReadonlyMap<string, Profile>,
  last: Message | undefined,
) {
  return {
    conversation_id: conversationId(room.id),
    is_ai: room.kind === 'agent',
    participants: room.participants.map((user) => userBody(people.get(user) ?? bareProfile(user))),
    last_message: last === undefined ? null : historyBody(last),
    created_at: toSeconds(room.createdMs),
  };
}

/** A message of a history. */
export function historyBody(message: Message) {
  return {
    message_id: formatUuid('message', messageId(message)),
    sender_id: userIdAsUuid(message.sender),
    message: message.text,
    timestamp: toSeconds(message.createdMs),
    ...(message.attachments.length > 0 ? { attachments: message.attachments.map(attachmentBody) } : {}),
  };
}

/** The answer to a send. */
export function sentBody(message: Message) {
  return {
    message_id: formatUuid('message', messageId(message)),
    message: message.text,
    timestamp: toSeconds(message.createdMs),
  };
}

function attachmentBody(file: Attachment) {
  return { name: file.name, url: file.file, size: file.size, content_type: file.contentType };
}

// A template instead of generic JSON: this is made for every message.
function messageFrame(message: Message, ref: Ref | undefined): string {
  const { room, sender, text, createdMs, attachments } = message;
  const files =
    attachments.length > 0 ? `,"attachments":${JSON.stringify(attachments.map(attachmentBody))}` : '';
  const given = ref === undefined ? '' : `,"ref":${JSON.stringify(ref)}`;
  return `{"message_id":"${formatUuid('message', messageId(message))}","conversation_id":"${conversationId(room)}","sender_id":${JSON.stringify(userIdAsUuid(sender))},"message":${JSON.stringify(text)},"timestamp":"${toSeconds(createdMs)}"${files}${given}}`;
}

/** Frames of the socket. `statusOf`: the HTTP status that an error has. */
export function createEncoder(statusOf: (error: ChatError) => number): Encoder {
  return {
    dialect: 'conversations',
    needsProfiles: false,
    message: (message) => messageFrame(message, undefined),
    ownIsShared: true,
    own: (message, _, ref) => messageFrame(message, ref),
    event: (event) =>
      event.kind === 'delta'
        ? JSON.stringify({ type: 'delta', text: event.text, ...(event.anew ? { at: 0 } : {}) })
        : null,
    wants: (event) => event.kind === 'delta',
    error: (error, ref) =>
      JSON.stringify({ ...errorBody(error, statusOf(error)), ...(ref === undefined ? {} : { ref }) }),
    cursor: (cursor) => JSON.stringify({ type: 'cursor', cursor }),
    reset: () => '{"type":"reset"}',
  };
}
