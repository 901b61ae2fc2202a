/**
 * What the documents of all dialects say in the same words: pieces of schemas, and frames that are checked by the very
 * schemas that document them.
 */

import Type, { type Static, type TObject, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import Value from 'typebox/value';
import { MAX_PAGE } from '../core/cursor.js';
import { ChatError } from '../core/errors.js';
import { MAX_KEY_BYTES } from '../core/input.js';

/** A whole number that stands for itself only. */
const WholeNumber = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** An id, in whatever form a client saw it. */
export const Reference = Type.Union([Type.String(), WholeNumber], { description: 'an id' });

/** A text. What it may hold is checked where messages are. */
export const Text = Type.String({ description: 'a string' });

/** `ref` of a frame: an idempotency key that the acknowledging frame repeats. */
export const Ref = Type.Union(
  [Type.String({ minLength: 1, maxLength: MAX_KEY_BYTES }), Type.Integer(), Type.Null()],
  { description: `a string of 1 to ${MAX_KEY_BYTES} bytes, or a whole number` },
);

/** `ref` as a frame gives it back. */
export const RefBack = Type.Union([Type.String(), Type.Number()], {
  description: 'what the frame that caused this one had as `ref`',
});

/** Seconds, as `2025-05-10T15:30:45Z`. */
export const Timestamp = Type.String({ format: 'date-time' });

/** A file of a message, in dialects whose documents know none. */
export const Attachment = Type.Object({
  name: Type.String(),
  url: Type.String({ description: 'where it is, on this host' }),
  size: Type.Integer({ minimum: 0, description: 'bytes' }),
  content_type: Type.String(),
});

const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PAGE, description: 'most entries' }));
const MessageReference = (words: string) => Type.Optional(Type.String({ description: words }));

/** The query of a list of messages. */
export const RangeQuery = Type.Object({
  limit: Limit,
  before: MessageReference('id of the message before which the list ends'),
  after: MessageReference('id of the message after which the list begins'),
});

/** The query of a list that is only cut short. */
export const LimitQuery = Type.Object({ limit: Limit });

/** The query of a list of rooms or people. */
export const PageQuery = Type.Object({
  limit: Limit,
  before: Type.Optional(Type.String({ description: 'id of the last entry of the page before' })),
});

/** The header that makes a send safe to repeat. */
export const KeyHeader = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_KEY_BYTES,
      description: 'The same key of the same person in the same room within 24 h stores one message.',
    }),
  ),
});

/** The query of a socket; its token may stand in the header or in a subprotocol too. */
export const SocketQuery = Type.Object({
  token: Type.Optional(Type.String({ description: 'the token, where no header can be set' })),
  since: Type.Optional(Type.String({ description: 'where to go on: a cursor, or the id of a message' })),
});

/** Frames that say the same in most dialects. */
export const AskCursor = Type.Object({ type: Type.Literal('cursor') });
export const CursorFrame = Type.Object({ type: Type.Literal('cursor'), cursor: Type.String() });
export const ResetFrame = Type.Object({ type: Type.Literal('reset') });

/**
 * Checks frames of one kind, and gives them back with their types.
 * @throws (the checking function) ChatError bad_request naming the first field that is not what its description says
 */
export function frameOf<T extends TObject>(schema: T): (frame: object) => Static<T> {
  const compiled = Compile(schema);
  return (frame) => {
    if (compiled.Check(frame)) return frame;
    throw faultOf(schema, frame as Record<string, unknown>);
  };
}

function faultOf(schema: TObject, frame: Record<string, unknown>): ChatError {
  for (const [field, property] of Object.entries<TSchema & { description?: string }>(schema.properties)) {
    const value = frame[field];
    if (value === undefined ? !schema.required?.includes(field) : Value.Check(property, value)) continue;
    const words = property.description ?? 'as documented';
    return new ChatError('bad_request', `${field} must be ${words}`, { field });
  }
  return new ChatError('bad_request', 'the frame is not as documented');
}
