/** The skillarena document as schemas: what is checked by them, and what the API documents show. */

import Type, { type Static } from 'typebox';
import {
  AskCursor,
  CursorFrame,
  RangeQuery,
  Ref,
  RefBack,
  ResetFrame,
  SocketQuery,
  Text,
  Timestamp,
} from '../schemas.js';

export const ErrorShape = Type.Object({ detail: Type.String() });

const MessageStatus = Type.Union([Type.Literal('sent'), Type.Literal('delivered'), Type.Literal('read')]);
const ReceiptStatus = Type.Union([Type.Literal('delivered'), Type.Literal('read')], {
  description: '"delivered" or "read"',
});
const Message = Type.Object({
  sender_id: Type.String(),
  receiver_id: Type.String(),
  status: MessageStatus,
  message: Type.String(),
  attachments: Type.Array(Type.String({ description: 'a `file_url`' })),
  created_at: Timestamp,
  message_id: Type.String(),
  chat_id: Type.String(),
});
const Chat = Type.Object({
  chat_id: Type.String(),
  other_user_id: Type.String(),
  user: Type.Object({
    first_name: Type.String(),
    last_name: Type.String(),
    photo: Type.Union([Type.String(), Type.Null()]),
  }),
  last_message: Type.Union([Message, Type.Null()]),
  unread_count: Type.Integer({ minimum: 0 }),
  created_at: Timestamp,
});
const Uploaded = Type.Object({
  status: Type.Literal('success'),
  chat_id: Type.String(),
  files: Type.Array(
    Type.Object({
      file_name: Type.String(),
      file_url: Type.String(),
      size: Type.Integer({ minimum: 0 }),
      content_type: Type.String(),
    }),
  ),
});
const Presigned = Type.Object({ presigned_urls: Type.Record(Type.String(), Type.String()) });

const FilesBody = Type.Object({ files: Type.Array(Type.String()) });
export type FilesBody = Static<typeof FilesBody>;
const UploadForm = Type.Object({
  other_user_id: Type.String(),
  files: Type.Array(Type.String({ format: 'binary' }), { minItems: 1 }),
});

/** Each route, by what it does. */
export const routes = {
  listChats: { schema: { summary: 'Chats of the caller', response: { 200: Type.Array(Chat) } } },
  listMessages: {
    schema: {
      summary: 'Messages exchanged with a user, oldest first',
      response: { 200: Type.Array(Message) },
    },
    config: { docs: { query: RangeQuery } },
  },
  uploadFiles: {
    schema: { summary: 'Upload files to a chat', response: { 200: Uploaded } },
    config: { docs: { form: UploadForm } },
  },
  presign: {
    schema: {
      summary: 'Addresses of files, good for a while',
      body: FilesBody,
      response: { 200: Presigned },
    },
  },
};

const Id = Type.Union(
  [Type.String({ minLength: 1 }), Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })],
  { description: 'a non-empty string' },
);

/** `data` of a message from a client. */
export const MessageData = Type.Object({
  receiver_id: Id,
  message: Text,
  attachments: Type.Optional(Type.Array(Type.String(), { description: 'an array of strings' })),
  sender_id: Type.Optional(Id),
  ref: Type.Optional(Ref),
});

/** `data` of a receipt from a client: a report, or with `stop` the end of its repeats. */
export const ReceiptData = Type.Object({
  message_id: Id,
  status: ReceiptStatus,
  stop: Type.Optional(
    Type.Union([Type.Boolean(), Type.Literal('true'), Type.Literal('false')], {
      description: 'true or false',
    }),
  ),
  chat_id: Type.Optional(Id),
  user_id: Type.Optional(Id),
  ref: Type.Optional(Ref),
});
export type ReceiptData = Static<typeof ReceiptData>;

export const socketDocs = {
  summary: 'All chats of the caller on one socket',
  query: SocketQuery,
  receives: {
    message: Type.Object({ type: Type.Literal('message'), data: MessageData }),
    receipt_update: Type.Object({ type: Type.Literal('receipt_update'), data: ReceiptData }),
    cursor: AskCursor,
  },
  sends: {
    message: Type.Object({
      type: Type.Literal('message'),
      data: Type.Object({ ...Message.properties, ref: Type.Optional(RefBack) }),
    }),
    receipt_update: Type.Object({
      type: Type.Literal('receipt_update'),
      data: Type.Object({
        chat_id: Type.String(),
        user_id: Type.String(),
        message_id: Type.String(),
        status: ReceiptStatus,
        stop: Type.Literal(false),
      }),
    }),
    error: Type.Object({
      type: Type.Literal('error'),
      data: Type.Object({ detail: Type.String(), ref: Type.Optional(RefBack) }),
    }),
    cursor: CursorFrame,
    reset: ResetFrame,
  },
};
