/** The chats document as schemas: what is checked by them, and what the API documents show. */

import Type, { type Static } from 'typebox';
import {
  AskCursor,
  Attachment,
  CursorFrame,
  KeyHeader,
  RangeQuery,
  Ref,
  RefBack,
  ResetFrame,
  SocketQuery,
  Text,
  Timestamp,
} from '../schemas.js';

/** One sentence, or the faults of a field. */
export const ErrorShape = Type.Union([
  Type.Object({ detail: Type.String() }),
  Type.Record(Type.String(), Type.Array(Type.String())),
]);

const UserId = Type.Union([Type.Integer(), Type.String()], {
  description: 'a number, unless the id came from an issuer that has other ids',
});
const User = Type.Object({
  id: UserId,
  email: Type.String(),
  role: Type.String(),
  profile: Type.Object({
    first_name: Type.String(),
    last_name: Type.String(),
    photo: Type.Union([Type.String(), Type.Null()]),
  }),
});
const Chat = Type.Object({ id: Type.Integer(), participants: Type.Array(User), created_at: Timestamp });
const Message = Type.Object({
  id: Type.Integer(),
  sender: User,
  content: Type.String(),
  timestamp: Timestamp,
  is_read: Type.Boolean(),
  attachments: Type.Optional(Type.Array(Attachment)),
});
const Marked = Type.Object({ status: Type.Literal('marked as read') });
const Status = Type.Object({ is_online: Type.Boolean(), last_seen: Timestamp });

const StartBody = Type.Object({ user_id: Type.Unknown({ description: 'a number or a string' }) });
const MessageBody = Type.Object({ content: Type.String() });
export type StartBody = Static<typeof StartBody>;
export type MessageBody = Static<typeof MessageBody>;

/** Each route, by what it does. */
export const routes = {
  listChats: { schema: { summary: 'Chats of the caller', response: { 200: Type.Array(Chat) } } },
  getChat: { schema: { summary: 'One chat', response: { 200: Chat } } },
  startChat: {
    schema: {
      summary: 'Start a chat, or get the one there is',
      body: StartBody,
      response: { 200: Chat, 201: Chat },
    },
  },
  listMessages: {
    schema: { summary: 'Messages of a chat, oldest first', response: { 200: Type.Array(Message) } },
    config: { docs: { query: RangeQuery } },
  },
  sendMessage: {
    schema: { summary: 'Send a message', body: MessageBody, response: { 201: Message } },
    config: { docs: { headers: KeyHeader } },
  },
  markRead: { schema: { summary: 'Mark a message as read', response: { 200: Marked } } },
  userStatus: { schema: { summary: 'Whether a user is online', response: { 200: Status } } },
};

export const MessageIn = Type.Object({
  type: Type.Literal('message'),
  content: Text,
  ref: Type.Optional(Ref),
});

export const socketDocs = {
  summary: 'One chat: what is said and read there from now on, or from `since` on',
  query: SocketQuery,
  receives: { message: MessageIn, cursor: AskCursor },
  sends: {
    message: Type.Object({
      type: Type.Literal('message'),
      ...Message.properties,
      ref: Type.Optional(RefBack),
    }),
    read: Type.Object({ type: Type.Literal('read'), message_id: Type.Integer(), user_id: UserId }),
    error: Type.Object({
      type: Type.Literal('error'),
      detail: Type.String(),
      ref: Type.Optional(RefBack),
    }),
    cursor: CursorFrame,
    reset: ResetFrame,
  },
};
