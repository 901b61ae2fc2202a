/** The rooms document as schemas: what is checked by them, and what the API documents show. */

import Type, { type Static } from 'typebox';
import {
  AskCursor,
  Attachment,
  CursorFrame,
  KeyHeader,
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

export const ErrorShape = Type.Object({ detail: Type.String() });

const Room = Type.Object({ id: Type.String(), name: Type.String(), created_at: Timestamp });
const User = Type.Object({ id: Type.String(), username: Type.String(), created_at: Timestamp });
const NewUser = Type.Object({
  ...User.properties,
  access_token: Type.Optional(Type.String({ description: 'with ROOMS_AUTH=jwt' })),
});
const Message = Type.Object({
  id: Type.String(),
  room_id: Type.String(),
  user_id: Type.String(),
  content: Type.String(),
  type: Type.Literal('text'),
  created_at: Timestamp,
  attachments: Type.Optional(Type.Array(Attachment)),
});

const RoomBody = Type.Object({ name: Type.String() });
const UserBody = Type.Object({ username: Type.String() });
const MessageBody = Type.Object({
  content: Type.String(),
  user_id: Type.Union([Type.String(), Type.Integer()]),
  type: Type.Optional(Type.Literal('text')),
});
export type RoomBody = Static<typeof RoomBody>;
export type UserBody = Static<typeof UserBody>;
export type MessageBody = Static<typeof MessageBody>;

/** Each route, by what it does. */
export const routes = {
  createUser: {
    schema: { summary: 'Create a user', security: [], body: UserBody, response: { 200: NewUser } },
  },
  listUsers: {
    schema: { summary: 'List users', response: { 200: Type.Array(User) } },
    config: { docs: { query: PageQuery } },
  },
  getUser: { schema: { summary: 'Get a user', response: { 200: User } } },
  createRoom: { schema: { summary: 'Create a public room', body: RoomBody, response: { 200: Room } } },
  listRooms: {
    schema: { summary: 'List rooms', response: { 200: Type.Array(Room) } },
    config: { docs: { query: PageQuery } },
  },
  getRoom: { schema: { summary: 'Get a room', response: { 200: Room } } },
  sendMessage: {
    schema: { summary: 'Send a message', body: MessageBody, response: { 200: Message } },
    config: { docs: { headers: KeyHeader } },
  },
  listMessages: {
    schema: { summary: 'Messages of a room, oldest first', response: { 200: Type.Array(Message) } },
    config: { docs: { query: RangeQuery } },
  },
};

export const TextIn = Type.Object({
  type: Type.Literal('text'),
  content: Text,
  user_id: Type.Optional(Reference),
  ref: Type.Optional(Ref),
});

export const socketDocs = {
  summary: 'One room: its newest messages, then what is said and who comes and goes',
  query: SocketQuery,
  receives: { text: TextIn, cursor: AskCursor },
  sends: {
    text: Type.Object({ ...Message.properties, ref: Type.Optional(RefBack) }),
    history: Type.Object({ type: Type.Literal('history'), messages: Type.Array(Message) }),
    system: Type.Object({ type: Type.Literal('system'), content: Type.String(), timestamp: Timestamp }),
    error: Type.Object({
      type: Type.Literal('error'),
      detail: Type.String(),
      ref: Type.Optional(RefBack),
    }),
    cursor: CursorFrame,
    reset: ResetFrame,
  },
};
