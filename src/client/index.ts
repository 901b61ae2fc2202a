/** The client of Parlance: connects, resumes, sends once, in any of the five documents. */

export {
  Api,
  type Conversation,
  type ConversationKind,
  type Person,
  type Range,
  type SignedIn,
} from './api.js';
export { CloseCode, waitAfter } from './backoff.js';
export { Channel } from './channel.js';
export type { ChannelEvents } from './channel-options.js';
export {
  Connection,
  type ConnectionOptions,
  type ConnectionState,
  type EndReason,
  type SocketConstructor,
} from './connection.js';
export { refusalOf } from './http.js';
export { addressOf, plainId, roomUuid } from './ids.js';
export { claimsOf, Parlance, type ParlanceOptions } from './parlance.js';
export { type Presence, PresenceWatch } from './presence.js';
export {
  type Attachment,
  DIALECTS,
  type DialectName,
  type Draft,
  type Message,
  type Receipt,
  RefusedError,
  type Status,
} from './types.js';
