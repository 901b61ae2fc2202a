import { messageId } from '../../core/cursor.js';
import type { ChatError } from '../../core/errors.js';
import { unfoldMessageId } from '../../core/ids.js';
import type { MessageStatus } from '../../core/marks.js';
import type { EphemeralEvent, Message, Profile, Room } from '../../core/model.js';
import { givenAndFamily } from '../../core/people.js';
import type { Owed, RoomState } from '../../core/ports.js';
import type { Encoder, MessageContext, Ref } from '../../core/rendering.js';
import { otherParticipant } from '../../core/rooms.js';
import { toMilliseconds } from '../../core/time.js';

/**
 * A message as the document shows it, as JSON.
 * A template instead of generic JSON: this is made for every message.
 */
export function messageJson(message: Message, room: Room, status: MessageStatus, ref?: Ref): string {
  const { sender, text, attachments, createdMs } = message;
  const receiver = otherParticipant(room, sender);
  const files = JSON.stringify(attachments.map(({ file }) => file));
  const given = ref === undefined ? '' : `,"ref":${JSON.stringify(ref)}`;
  return `{"sender_id":${JSON.stringify(sender)},"receiver_id":${JSON.stringify(receiver)},"status":"${status}","message":${JSON.stringify(text)},"attachments":${files},"created_at":"${toMilliseconds(createdMs)}","message_id":"${messageId(message)}","chat_id":"${room.id}"${given}}`;
}

/** A chat as `viewer` sees it, as JSON. `other` is the other person's profile, `last` the newest message as JSON. */
export function chatJson(room: Room, other: Profile, state: RoomState, last: string): string {
  const { id, picture } = other;
  const { given, family } = givenAndFamily(other);
  const user = { first_name: given, last_name: family, photo: picture };
  return `{"chat_id":"${room.id}","other_user_id":${JSON.stringify(id)},"user":${JSON.stringify(user)},"last_message":${last},"unread_count":${state.unread},"created_at":"${toMilliseconds(room.createdMs)}"}`;
}

/** The frame that tells a message's sender how far it got, live or repeated. */
export function receiptFrame({ messageId: id, status, by }: Owed): string {
  const chat_id = String(unfoldMessageId(id).room);
  const data = { chat_id, user_id: by, message_id: String(id), status, stop: false };
  return JSON.stringify({ type: 'receipt_update', data });
}

const messageFrame = (message: Message, { room, status }: MessageContext, ref?: Ref) =>
  `{"type":"message","data":${messageJson(message, room, status, ref)}}`;

/** Frames of the document. */
export const encoder: Encoder = {
  dialect: 'skillarena',
  needsProfiles: false,
  needsMarks: true,
  message: (message, context) => messageFrame(message, context),
  ownIsShared: true,
  own: messageFrame,
  event: (event: EphemeralEvent, room: Room) => {
    if (event.kind !== 'receipt') return null;
    const id = messageId({ room: room.id, offset: event.offset });
    return receiptFrame({ messageId: id, status: event.status, by: event.user });
  },
  wants: (event: EphemeralEvent, user) => event.kind === 'receipt' && event.sender === user,
  error: (error: ChatError, ref) =>
    JSON.stringify({
      type: 'error',
      data: { detail: error.message, ...(ref === undefined ? {} : { ref }) },
    }),
  cursor: (cursor) => JSON.stringify({ type: 'cursor', cursor }),
  reset: () => '{"type":"reset"}',
};
