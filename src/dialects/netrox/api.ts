/** The netrox document as schemas: what is checked by them, and what the API documents show. */

import Type, { type TSchema } from 'typebox';
import { KeyHeader, RangeQuery, Ref, RefBack, Reference, SocketQuery, Text, Timestamp } from '../schemas.js';

export const ErrorShape = Type.Object({
  status: Type.Literal('failure'),
  entity: Type.Null(),
  message: Type.String(),
  success: Type.Literal(false),
});

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const success = (entity: TSchema, message: TSchema) =>
  Type.Object({ status: Type.Literal('success'), entity, message, success: Type.Literal(true) });

const User = Type.Object({
  id: Type.String(),
  email: orNull(Type.String()),
  profile: orNull(
    Type.Object({ first_name: Type.String(), last_name: Type.String(), photo: orNull(Type.String()) }),
  ),
});
const File = Type.Object({
  attached_file: Type.String(),
  attached_file_name: Type.String(),
  attached_file_size: Type.String(),
});
const Files = Type.Optional(
  Type.Array(File, { description: 'all of them, where a message has more than one' }),
);
const Message = Type.Object({
  id: Type.Integer(),
  sender: User,
  receiver: User,
  attached_file_size: Type.String({ description: '`86.73KB`; `0kb` without a file' }),
  message: Type.String(),
  updated: Timestamp,
  created: Timestamp,
  seen: Type.Boolean(),
  deleted: Type.Literal(false),
  attached_file: orNull(Type.String()),
  attached_file_name: orNull(Type.String()),
  thread: Type.Integer(),
  attachments: Files,
});
const Thread = Type.Object({
  id: Type.Integer(),
  user_one: User,
  user_two: User,
  craeted: Timestamp,
  created: Timestamp,
});
const AttachmentForm = Type.Object({
  receiver: Type.String(),
  message: Type.Optional(Type.String()),
  attached_file: Type.String({ format: 'binary' }),
});

/** Each route, by what it does. */
export const routes = {
  listMessages: {
    schema: {
      summary: 'Messages exchanged with a user, oldest first',
      response: { 200: success(Type.Object({ messages: Type.Array(Message) }), Type.String()) },
    },
    config: { docs: { query: RangeQuery } },
  },
  listThreads: {
    schema: { summary: 'Threads of the caller', response: { 200: success(Type.Array(Thread), Type.Null()) } },
  },
  sendFile: {
    schema: {
      summary: 'Send a message with a file',
      response: { 201: success(Type.Object({ message: Message }), Type.String()) },
    },
    config: { docs: { headers: KeyHeader, form: AttachmentForm } },
  },
};

export const ChatMessage = Type.Object({
  action: Type.Literal('chat_message'),
  message_body: Text,
  receiver_id: Reference,
  ref: Type.Optional(Ref),
});
export const ChatMessageFile = Type.Object({
  action: Type.Literal('chat_message_file'),
  chat_id: Reference,
  ref: Type.Optional(Ref),
});
export const MessageSeen = Type.Object({
  action: Type.Literal('message_seen'),
  chat_id: Reference,
  ref: Type.Optional(Ref),
});

const ends = {
  sender_id: Type.String(),
  receiver_id: Type.String(),
  timestamp: Timestamp,
  created_msg_id: Type.Integer(),
};

export const socketDocs = {
  summary: 'All threads of the caller on one socket',
  query: SocketQuery,
  receives: {
    chat_message: ChatMessage,
    chat_message_file: ChatMessageFile,
    message_seen: MessageSeen,
    cursor: Type.Object({ action: Type.Literal('cursor') }),
  },
  sends: {
    re_message: Type.Object({
      action: Type.Literal('re_message'),
      message_body: Type.String(),
      ...ends,
    }),
    re_message_file: Type.Object({
      action: Type.Literal('re_message_file'),
      message_body: Type.String(),
      attached_file_name: Type.String(),
      attached_file_size: Type.String(),
      attached_file_url: Type.String(),
      ...ends,
      attachments: Files,
    }),
    ack: Type.Object({
      action: Type.Literal('ack'),
      ref: RefBack,
      created_msg_id: Type.Integer(),
      timestamp: Timestamp,
    }),
    error: Type.Object({
      action: Type.Literal('error'),
      message: Type.String(),
      ref: Type.Optional(RefBack),
    }),
    cursor: Type.Object({ action: Type.Literal('cursor'), cursor: Type.String() }),
    reset: Type.Object({ action: Type.Literal('reset') }),
  },
};
