import { messageId } from '../../core/cursor.js';
import type { ChatError } from '../../core/errors.js';
import type { Attachment, EphemeralEvent, Message, Profile, Room } from '../../core/model.js';
import { displayName } from '../../core/people.js';
import type { Encoder, Ref } from '../../core/rendering.js';
import { toSeconds } from '../../core/time.js';

/** A room as the document shows it; `name` is the viewer's name for it. */
export function roomBody(room: Room, name: string) {
  return { id: String(room.id), name, created_at: toSeconds(room.createdMs) };
}

export function userBody(profile: Profile) {
  return { id: profile.id, username: displayName(profile), created_at: toSeconds(profile.createdMs) };
}

export function messageBody(message: Message) {
  return {
    id: String(messageId(message)),
    room_id: String(message.room),
    user_id: message.sender,
    content: message.text,
    type: 'text' as const,
    created_at: toSeconds(message.createdMs),
    ...(message.attachments.length > 0 ? { attachments: message.attachments.map(attachmentBody) } : {}),
  };
}

function attachmentBody(file: Attachment) {
  return { name: file.name, url: file.file, size: file.size, content_type: file.contentType };
}

// A template instead of generic JSON: this is made for every message.
function textFrame(message: Message, ref: Ref | undefined): string {
  const { room, sender, text, createdMs, attachments } = message;
  const files =
    attachments.length > 0 ? `,"attachments":${JSON.stringify(attachments.map(attachmentBody))}` : '';
  const given = ref === undefined ? '' : `,"ref":${JSON.stringify(ref)}`;
  return `{"type":"text","id":"${messageId(message)}","room_id":"${room}","user_id":${JSON.stringify(sender)},"content":${JSON.stringify(text)},"created_at":"${toSeconds(createdMs)}"${files}${given}}`;
}

/** Frames of the document. */
export const encoder: Encoder = {
  dialect: 'rooms',
  needsProfiles: false,
  message: (message) => textFrame(message, undefined),
  ownIsShared: true,
  own: (message, _, ref) => textFrame(message, ref),
  event: (event) => {
    if (event.kind !== 'presence') return null;
    const content = `User ${event.user} ${event.change} the chat`;
    return JSON.stringify({ type: 'system', content, timestamp: toSeconds(event.atMs) });
  },
  wants: (event: EphemeralEvent, user) => event.kind === 'presence' && event.user !== user,
  page: (messages) => JSON.stringify({ type: 'history', messages: messages.map(messageBody) }),
  error: (error: ChatError, ref) =>
    JSON.stringify({ type: 'error', detail: error.message, ...(ref === undefined ? {} : { ref }) }),
  cursor: (cursor) => JSON.stringify({ type: 'cursor', cursor }),
  reset: () => '{"type":"reset"}',
};
