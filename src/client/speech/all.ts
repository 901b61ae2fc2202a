import type { Speech } from '../speech.js';
import type { DialectName } from '../types.js';
import { chats } from './chats.js';
import { conversations } from './conversations.js';
import { netrox } from './netrox.js';
import { rooms } from './rooms.js';
import { skillarena } from './skillarena.js';

/** How each document is spoken. */
export const SPEECHES: Readonly<Record<DialectName, Speech>> = {
  skillarena,
  netrox,
  chats,
  conversations,
  rooms,
};
