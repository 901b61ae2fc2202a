import { batch, computed, signal } from '@preact/signals';
import type { Channel, Conversation, Message, Parlance, Person } from '../../client/index.js';
import { Addresses } from './files.js';
import { record } from './frames.js';
import { loadNewest, nameFiles } from './histories.js';
import { type Host, isLooking, wordsOf } from './host.js';
import { People } from './people.js';
import { Room } from './room.js';
import { Seen } from './seen.js';
import { Talks } from './talks.js';

/** Everything of somebody who is signed in. */
export class Desk implements Host {
  readonly client: Parlance;
  readonly me: Person;
  readonly people: People;
  readonly addresses: Addresses;
  readonly seen: Seen;
  readonly talks: Talks;
  readonly rooms = signal<ReadonlyMap<string, Room>>(new Map());
  /** Public rooms that are not among one's conversations. */
  readonly lobby = signal<readonly Conversation[]>([]);
  readonly open = signal<Room | undefined>(undefined);
  /** Whether the list was loaded; or why it was not. */
  readonly listed = signal<boolean | { fault: string }>(false);
  /** Conversations, most recently active first. */
  readonly order = computed(() =>
    [...this.rooms.value.values()].sort(
      (a, b) => b.activeAt.value - a.activeAt.value || Number(b.id) - Number(a.id),
    ),
  );
  readonly unread = computed(() => this.order.value.reduce((sum, { unread }) => sum + unread.value, 0));
  /** The channel of all direct chats: what the list lives on. */
  readonly main = signal<Channel | undefined>(undefined);
  readonly #onEnded: () => void;

  constructor(client: Parlance, me: Person, onEnded: () => void) {
    this.client = client;
    this.me = me;
    this.#onEnded = onEnded;
    this.people = new People(client, me);
    this.addresses = new Addresses(client);
    this.seen = new Seen(me.id);
    this.talks = new Talks(this);
    void this.#start();
  }

  close(): void {
    this.talks.close();
    this.client.close();
  }

  /** Loads the list anew; what is open stays so. */
  async reload(): Promise<void> {
    try {
      const { api } = this.client;
      const [direct, agent, open] = await Promise.all([
        api.directChats(),
        api.agentChats(this.me.id),
        api.publicRooms(),
      ]);
      const joined = open.filter(({ id }) => this.seen.has(id));
      batch(() => {
        for (const one of [...direct, ...agent, ...joined]) this.put(one);
        this.lobby.value = open.filter(({ id }) => !this.rooms.value.has(id));
        this.listed.value = true;
      });
      void this.#countUnread([...agent, ...joined]);
    } catch (error) {
      if (this.listed.value !== true) this.listed.value = { fault: wordsOf(error) };
    }
  }

  /** The room of a conversation, known from now on. */
  put(conversation: Conversation): Room {
    const known = this.rooms.value.get(conversation.id);
    if (known) {
      const last = conversation.last ?? known.conversation.value.last;
      known.conversation.value = { ...conversation, last };
      if (conversation.kind === 'direct' && known !== this.open.value) {
        known.count(conversation.unread, conversation.last?.offset ?? 0, this.me.id);
      }
      return known;
    }
    const room = new Room(conversation, this.me.id);
    this.rooms.value = new Map([...this.rooms.value, [room.id, room]]);
    this.#watchPresence(room);
    this.lobby.value = this.lobby.value.filter(({ id }) => id !== room.id);
    return room;
  }

  /** New messages of a room, from any channel. */
  receive(room: Room, messages: readonly Message[]): void {
    const fresh = room.take(messages);
    const others = fresh.filter(({ sender }) => sender !== this.me.id);
    if (others.length === 0) return;
    if (room.conversation.value.kind === 'agent') room.typing.value = undefined;
    if (this.open.value === room && isLooking()) {
      this.readAll(room);
      return;
    }
    if (this.open.value === room && room.newFrom.value === undefined) room.newFrom.value = others[0]?.id;
    room.countMore(others);
    if (room.conversation.value.kind === 'direct')
      for (const { id } of others) this.main.value?.report(id, 'delivered');
  }

  /** What is shown of a room has been read. */
  readAll(room: Room): void {
    room.unread.value = 0;
    const { messages } = room;
    const newest = messages.value.at(-1);
    if (newest) this.seen.note(room.id, newest);
    if (room.conversation.value.kind !== 'direct') return;
    const unread = messages.value.filter(({ sender, status }) => sender !== this.me.id && status !== 'read');
    for (const { id } of unread) {
      if (!this.talks.current.value?.report(id, 'read')) this.main.value?.report(id, 'read');
    }
    room.mark(new Set(unread.map(({ id }) => id)), 'read');
  }

  async #start(): Promise<void> {
    const main = await this.client.open('skillarena');
    this.main.value = main;
    record(main);
    main.on('message', (message) => void this.#onMessage(message));
    main.on('receipt', ({ message, status }) => {
      for (const room of this.rooms.value.values()) {
        if (room.messages.value.some(({ id }) => id === message)) room.mark(new Set([message]), status);
      }
    });
    main.on('reset', () => void this.#startOver());
    main.on('ended', (reason) => reason === 'unauthorized' && this.#onEnded());
    const stop = main.on('ready', () => {
      stop();
      void this.reload();
    });
    this.talks.follow(main);
  }

  async #onMessage(message: Message): Promise<void> {
    const room = this.rooms.value.get(message.room);
    // Somebody has written for the first time: the list counts what is unread already.
    if (!room) await this.reload();
    const found = this.rooms.value.get(message.room);
    if (!found) return;
    this.receive(found, [message]);
    if (message.attachments.length > 0) void nameFiles(this, found);
  }

  async #startOver(): Promise<void> {
    for (const room of this.rooms.value.values()) if (room.conversation.value.kind === 'direct') room.clear();
    await this.reload();
    if (this.open.value) await loadNewest(this, this.open.value);
  }

  /** The service counts what is unread in direct chats; elsewhere a place in the room tells. */
  async #countUnread(conversations: readonly Conversation[]): Promise<void> {
    for (const conversation of conversations) {
      const room = this.rooms.value.get(conversation.id);
      if (!room || room === this.open.value) continue;
      const [last] = conversation.last ? [conversation.last] : await this.#newest(conversation);
      if (!last) continue;
      room.conversation.value = { ...room.conversation.value, last };
      const seen = this.seen.offsetOf(room.id);
      room.count(last.sender === this.me.id ? 0 : Math.max(0, last.offset - seen), last.offset, this.me.id);
    }
  }

  #newest(conversation: Conversation): Promise<Message[]> {
    return this.client.api.history(conversation, { limit: 1 }).catch(() => []);
  }

  #watchPresence(room: Room): void {
    const { kind, other } = room.conversation.value;
    if (kind !== 'direct' || other === undefined) return;
    this.client.presence.watch(other, (presence) => {
      room.presence.value = presence;
    });
  }
}
