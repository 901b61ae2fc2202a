/** The conversations document as schemas: what is checked by them, and what the API documents show. */

import Type, { type Static } from 'typebox';
import {
  AskCursor,
  Attachment,
  CursorFrame,
  KeyHeader,
  LimitQuery,
  PageQuery,
  RangeQuery,
  Ref,
  RefBack,
  Reference,
  ResetFrame,
  SocketQuery,
  Text,
  Timestamp,
} from '../schemas.js';

export const ErrorShape = Type.Object({
  error: Type.Object({ message: Type.String(), status: Type.Integer() }),
});

const User = Type.Object({
  user_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  profile_picture: Type.Union([Type.String(), Type.Null()]),
});
const SignedIn = Type.Object({
  user_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  token: Type.String(),
});
const Said = {
  message_id: Type.String(),
  sender_id: Type.String(),
  message: Type.String(),
  timestamp: Timestamp,
  attachments: Type.Optional(Type.Array(Attachment)),
};
const Message = Type.Object(Said);
const Sent = Type.Object({ message_id: Type.String(), message: Type.String(), timestamp: Timestamp });
const Conversation = Type.Object({
  conversation_id: Type.String(),
  is_ai: Type.Boolean(),
  participants: Type.Array(User),
  last_message: Type.Union([Message, Type.Null()]),
  created_at: Timestamp,
});
const Connected = Type.Object({
  status: Type.Literal('WebSocket connected'),
  conversation_id: Type.String(),
  websocket_url: Type.String({ description: 'where the socket is; good once, and for 30 seconds' }),
});

const LoginBody = Type.Object({ email: Type.String(), password: Type.String() });
const RegisterBody = Type.Object({
  email: Type.String(),
  password: Type.String(),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
const StartBody = Type.Object({
  participant_id: Type.Optional(Type.Union([Type.String(), Type.Integer(), Type.Null()])),
  is_ai: Type.Optional(Type.Boolean()),
});
const Id = Type.Union([Type.String(), Type.Integer()]);
const MessageBody = Type.Object({
  conversation_id: Id,
  sender_id: Type.Optional(Id),
  message: Type.String(),
});
export type LoginBody = Static<typeof LoginBody>;
export type RegisterBody = Static<typeof RegisterBody>;
export type StartBody = Static<typeof StartBody>;
export type MessageBody = Static<typeof MessageBody>;

/** Each route, by what it does. */
export const routes = {
  register: {
    schema: { summary: 'Register', security: [], body: RegisterBody, response: { 201: SignedIn } },
  },
  login: { schema: { summary: 'Log in', security: [], body: LoginBody, response: { 200: SignedIn } } },
  listConversations: {
    schema: { summary: 'Conversations of the caller', response: { 200: Type.Array(Conversation) } },
    config: { docs: { query: LimitQuery } },
  },
  startConversation: {
    schema: {
      summary: 'Start a conversation, or get the one there is',
      body: StartBody,
      response: { 200: Conversation, 201: Conversation },
    },
  },
  listMessages: {
    schema: { summary: 'Messages of a conversation, oldest first', response: { 200: Type.Array(Message) } },
    config: { docs: { query: RangeQuery } },
  },
  connect: { schema: { summary: 'Where the socket is', response: { 200: Connected } } },
  sendMessage: {
    schema: { summary: 'Send a message', body: MessageBody, response: { 200: Sent } },
    config: { docs: { headers: KeyHeader } },
  },
  listUsers: {
    schema: { summary: 'Users', response: { 200: Type.Array(User) } },
    config: { docs: { query: PageQuery } },
  },
  getUser: { schema: { summary: 'A user', response: { 200: User } } },
};

export const MessageIn = Type.Object({
  message: Text,
  conversation_id: Type.Optional(Reference),
  sender_id: Type.Optional(Reference),
  ref: Type.Optional(Ref),
});

export const socketDocs = {
  summary: 'One conversation, from now on or from `since` on',
  query: Type.Object({
    ticket: Type.Optional(Type.String({ description: 'what `websocket_url` holds, instead of a token' })),
    ...SocketQuery.properties,
  }),
  receives: { message: MessageIn, cursor: AskCursor },
  sends: {
    message: Type.Object({ ...Said, conversation_id: Type.String(), ref: Type.Optional(RefBack) }),
    error: Type.Object({ ...ErrorShape.properties, ref: Type.Optional(RefBack) }),
    delta: Type.Object({
      type: Type.Literal('delta'),
      text: Type.String(),
      at: Type.Optional(Type.Literal(0, { description: 'the answer begins anew: what came before is void' })),
    }),
    cursor: CursorFrame,
    reset: ResetFrame,
  },
};
