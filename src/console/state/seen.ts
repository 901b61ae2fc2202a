import type { Message } from '../../client/index.js';
import { browser } from './store.js';

/** Rooms whose place is kept. */
const MAX_ROOMS = 50;

/** How far one has read in rooms that the service keeps no count for; and which public rooms one is in. */
export class Seen {
  readonly #name: string;
  #offsets: Map<string, number>;

  constructor(user: string) {
    this.#name = `seen:${user}`;
    try {
      this.#offsets = new Map(JSON.parse(browser.get(this.#name) ?? '[]') as [string, number][]);
    } catch {
      this.#offsets = new Map();
    }
  }

  has(room: string): boolean {
    return this.#offsets.has(room);
  }

  offsetOf(room: string): number {
    return this.#offsets.get(room) ?? 0;
  }

  note(room: string, { offset }: Pick<Message, 'offset'>): void {
    const most = Math.max(offset, this.offsetOf(room));
    this.#offsets.delete(room);
    this.#offsets.set(room, most);
    if (this.#offsets.size > MAX_ROOMS) this.#offsets.delete(this.#offsets.keys().next().value as string);
    browser.set(this.#name, JSON.stringify([...this.#offsets]));
  }
}
