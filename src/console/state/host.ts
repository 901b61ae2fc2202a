import type { Signal } from '@preact/signals';
import type { Channel, Message, Parlance, Person } from '../../client/index.js';
import type { Room } from './room.js';

/** What the parts of a desk know of it. */
export interface Host {
  readonly client: Parlance;
  readonly me: Person;
  readonly rooms: Signal<ReadonlyMap<string, Room>>;
  /** The conversation that is looked at. */
  readonly open: Signal<Room | undefined>;
  /** The channel of all direct chats. */
  readonly main: Signal<Channel | undefined>;
  /** Messages of a room, from any channel. */
  receive(room: Room, messages: readonly Message[]): void;
  /** What is shown of a room has been read. */
  readAll(room: Room): void;
}

/** Whether somebody sees the page. */
export function isLooking(): boolean {
  return document.visibilityState === 'visible' && document.hasFocus();
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
