import { messageId } from '../../core/cursor.js';
import type { ChatError } from '../../core/errors.js';
import { userIdAsNumber } from '../../core/ids.js';
import type { Attachment, EphemeralEvent, Message, Profile, Room } from '../../core/model.js';
import { bareProfile } from '../../core/model.js';
import { givenAndFamily } from '../../core/people.js';
import type { Encoder, MessageContext, Ref } from '../../core/rendering.js';
import { toSeconds } from '../../core/time.js';

/**
 * A person as the document shows one. Its strings are strings also where nothing is known (then they are empty): only
 * `photo` is ever shown as null.
 */
export function userBody(profile: Profile) {
  const { given, family } = givenAndFamily(profile);
  return {
    id: userIdAsNumber(profile.id),
    email: profile.email ?? '',
    role: profile.role ?? 'User',
    profile: { first_name: given, last_name: family, photo: profile.picture },
  };
}

/** A chat as the document shows one; `people` are the profiles that are known. */
export function chatBody(chat: Room, people: ReadonlyMap<string, Profile>) {
  return {
    id: chat.id,
    participants: chat.participants.map((user) => userBody(people.get(user) ?? bareProfile(user))),
    created_at: toSeconds(chat.createdMs),
  };
}

/** A message as JSON. `sender` is the JSON of {@link userBody}: one person has written many messages. */
export function messageJson(message: Message, sender: string, isRead: boolean): string {
  return `{${messageFields(message, sender, isRead)}}`;
}

// A template instead of generic JSON: this is made for every message.
function messageFields(message: Message, sender: string, isRead: boolean): string {
  const { text, createdMs, attachments } = message;
  const files =
    attachments.length > 0 ? `,"attachments":${JSON.stringify(attachments.map(attachmentBody))}` : '';
  return `"id":${messageId(message)},"sender":${sender},"content":${JSON.stringify(text)},"timestamp":"${toSeconds(createdMs)}","is_read":${isRead}${files}`;
}

function attachmentBody(file: Attachment) {
  return { name: file.name, url: file.file, size: file.size, content_type: file.contentType };
}

function messageFrame(message: Message, { profile, status }: MessageContext, ref: Ref | undefined): string {
  const given = ref === undefined ? '' : `,"ref":${JSON.stringify(ref)}`;
  const fields = messageFields(message, JSON.stringify(userBody(profile)), status === 'read');
  return `{"type":"message",${fields}${given}}`;
}

/** Frames of the document. */
export const encoder: Encoder = {
  dialect: 'chats',
  needsProfiles: true,
  needsMarks: true,
  message: (message, context) => messageFrame(message, context, undefined),
  ownIsShared: true,
  own: messageFrame,
  event: (event, room) => {
    if (event.kind !== 'receipt') return null;
    const message_id = messageId({ room: room.id, offset: event.offset });
    return JSON.stringify({ type: 'read', message_id, user_id: userIdAsNumber(event.user) });
  },
  wants: (event: EphemeralEvent) => event.kind === 'receipt' && event.status === 'read',
  error: (error: ChatError, ref) =>
    JSON.stringify({ type: 'error', detail: error.message, ...(ref === undefined ? {} : { ref }) }),
  cursor: (cursor) => JSON.stringify({ type: 'cursor', cursor }),
  reset: () => '{"type":"reset"}',
};
