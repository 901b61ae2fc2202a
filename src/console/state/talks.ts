import { computed, effect, signal } from '@preact/signals';
import type { Channel, ConnectionState, ConversationKind, DialectName } from '../../client/index.js';
import { record } from './frames.js';
import { loadNewest, nameFiles } from './histories.js';
import type { Host } from './host.js';
import type { Room } from './room.js';
import { browser } from './store.js';

/** Rooms that stay connected after one has looked at them. */
const MAX_ROOMS = 5;

/** Which documents have which conversations; the first is the one that is spoken unless another is chosen. */
export const SPOKEN: Readonly<Record<ConversationKind, readonly DialectName[]>> = {
  direct: ['skillarena', 'netrox', 'chats', 'conversations', 'rooms'],
  agent: ['conversations', 'chats', 'rooms'],
  public: ['rooms'],
};

/** The channels of rooms: which one is spoken on, in which document. */
export class Talks {
  /** What was chosen; `auto` leaves it to the conversation. */
  readonly choice = signal<DialectName | 'auto'>((browser.get('dialect') as DialectName) ?? 'auto');
  /** The channel of the open conversation. */
  readonly current = signal<Channel | undefined>(undefined);
  readonly state = signal<ConnectionState>('idle');
  readonly #host: Host;
  readonly #channels = new Map<string, Promise<Channel>>();
  readonly #stop: () => void;
  /** What is spoken in the open conversation. */
  readonly dialect = computed<DialectName>(() => this.#dialectFor(this.#host.open.value));

  constructor(host: Host) {
    this.#host = host;
    this.#stop = effect(() => {
      const room = host.open.value;
      const main = host.main.value;
      const dialect = this.dialect.value;
      if (main) void this.#turnTo(room, dialect, main);
    });
  }

  close(): void {
    this.#stop();
    this.#channels.clear();
  }

  choose(choice: DialectName | 'auto'): void {
    this.choice.value = choice;
    browser.set('dialect', choice);
  }

  /** Shows how a channel is, from now on, while it is the one that is spoken on. */
  follow(channel: Channel): void {
    const show = () => {
      if ((this.current.value ?? this.#host.main.value) === channel)
        this.state.value = channel.live ? 'open' : channel.state;
    };
    channel.on('state', show);
    channel.on('ready', show);
  }

  /** The channel on which a room is spoken in: never another room's, however soon somebody turned here. */
  async channelFor(room: Room): Promise<Channel> {
    const dialect = this.#dialectFor(room);
    const main = this.#host.main.peek();
    if (dialect === 'skillarena' && main) return main;
    const key = dialect === 'netrox' ? dialect : `${dialect} ${room.id}`;
    const known = this.#channels.get(key);
    this.#channels.delete(key);
    const channel = known && (await known).state !== 'ended' ? known : this.#open(room, dialect);
    this.#channels.set(key, channel);
    await this.#closeOldest();
    return channel;
  }

  #dialectFor(room: Room | undefined): DialectName {
    const spoken = SPOKEN[room?.conversation.value.kind ?? 'direct'];
    return spoken.find((one) => one === this.choice.value) ?? (spoken[0] as DialectName);
  }

  async #turnTo(room: Room | undefined, dialect: DialectName, main: Channel): Promise<void> {
    const channel = room ? await this.channelFor(room) : main;
    // By now somebody may have turned elsewhere.
    if (this.#host.open.peek() !== room || this.dialect.peek() !== dialect) return;
    this.current.value = channel;
    this.state.value = channel.live ? 'open' : channel.state;
  }

  async #open(room: Room, dialect: DialectName): Promise<Channel> {
    const channel = await this.#host.client.open(dialect, room.id);
    this.#listen(channel, room);
    return channel;
  }

  async #closeOldest(): Promise<void> {
    const [oldest] = this.#channels;
    if (!oldest || this.#channels.size <= MAX_ROOMS) return;
    this.#channels.delete(oldest[0]);
    (await oldest[1]).close();
  }

  #listen(channel: Channel, room: Room): void {
    const host = this.#host;
    record(channel);
    this.follow(channel);
    channel.on('message', (message) => {
      const at = host.rooms.value.get(message.room);
      if (!at) return;
      host.receive(at, [message]);
      void nameFiles(host, at);
    });
    channel.on('receipt', ({ message, status }) => room.mark(new Set([message]), status));
    channel.on('delta', (text, at) => room.type(text, at));
    channel.on('presence', (text, at) => {
      room.notice.value = { text, at };
    });
    // What was said before the socket was open may have come after the history was read.
    const stop = channel.on('ready', () => {
      stop();
      void loadNewest(host, room);
    });
    channel.on('reset', () => {
      room.clear();
      void loadNewest(host, room);
    });
    channel.on('state', (state) => {
      // What came of an answer is not repeated after a reconnect; the answer itself is.
      if (state !== 'open') room.typing.value = undefined;
    });
  }
}
