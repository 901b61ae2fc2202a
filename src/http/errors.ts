import { ChatError, type ErrorCode } from '../core/errors.js';

/** The HTTP status of each code, where a dialect's document does not say otherwise. */
export const STATUS: Record<ErrorCode, number> = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  rate_limited: 429,
  unavailable: 503,
  in_doubt: 503,
  internal: 500,
};

interface FastifyError {
  readonly statusCode?: number;
  readonly message?: string;
  readonly validation?: readonly SchemaFault[];
}

/** One fault that a schema found, as Ajv says it. */
interface SchemaFault {
  readonly instancePath: string;
  readonly message?: string;
  readonly params: { readonly missingProperty?: unknown; readonly allowedValue?: unknown };
}

// `/content` must be string: the field is the first step of the path; a missing one is named apart.
function invalidField(fault: SchemaFault): ChatError {
  const missing = fault.params.missingProperty;
  const field = typeof missing === 'string' ? missing : fault.instancePath.split('/')[1];
  if (field === undefined) return new ChatError('bad_request', `the body ${fault.message}`);
  const only = fault.params.allowedValue;
  const words =
    typeof missing === 'string'
      ? 'is required'
      : only === undefined
        ? fault.message
        : `must be ${JSON.stringify(only)}`;
  return new ChatError('bad_request', `${field} ${words}`, { field });
}

/**
 * Whatever was thrown, as a ChatError. Faults of the request (malformed JSON, wrong media type, body too large)
 * keep their words; everything unknown becomes `internal`, without its words.
 */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  const { statusCode, message, validation } = (error ?? {}) as FastifyError;
  if (validation?.[0]) return invalidField(validation[0]);
  if (statusCode === 404) return new ChatError('not_found', message ?? 'not found');
  if (statusCode === 413) return new ChatError('too_large', 'the request body is too large');
  if (statusCode === 429) return new ChatError('rate_limited', 'too many requests', { cause: error });
  if (statusCode === 503) return new ChatError('unavailable', message ?? 'unavailable', { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ChatError('bad_request', message ?? 'bad request', { cause: error });
  }
  return new ChatError('internal', 'internal error', { cause: error });
}
