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
  readonly #channels = new Map<string, Channel>();
  readonly #stop: () => void;
  /** What is spoken in the open conversation. */
  readonly dialect = computed<DialectName>(() => {
    const room = this.#host.open.value;
    const spoken = SPOKEN[room?.conversation.value.kind ?? 'direct'];
    return spoken.find((one) => one === this.choice.value) ?? (spoken[0] as DialectName);
  });

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

  async #turnTo(room: Room | undefined, dialect: DialectName, main: Channel): Promise<void> {
    const channel = room && dialect !== 'skillarena' ? await this.#channelOf(room, dialect) : main;
    // By now somebody may have turned elsewhere.
    if (this.#host.open.peek() !== room || this.dialect.peek() !== dialect) return;
    this.current.value = channel;
    this.state.value = channel.live ? 'open' : channel.state;
  }

  async #channelOf(room: Room, dialect: DialectName): Promise<Channel> {
    const key = dialect === 'netrox' ? dialect : `${dialect} ${room.id}`;
    const known = this.#channels.get(key);
    if (known && known.state !== 'ended') {
      this.#channels.delete(key);
      this.#channels.set(key, known);
      return known;
    }
    const channel = await this.#host.client.open(dialect, room.id);
    this.#channels.set(key, channel);
    this.#listen(channel, room);
    const [oldest] = this.#channels.keys();
    if (this.#channels.size > MAX_ROOMS && oldest !== undefined) {
      this.#channels.get(oldest)?.close();
      this.#channels.delete(oldest);
    }
    return channel;
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
    channel.on('receipt', ({ message, status }) => room.mark(message, status));
    channel.on('delta', (text) => {
      room.typing.value = (room.typing.value ?? '') + text;
    });
    channel.on('presence', (text, at) => {
      room.notice.value = { text, at };
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
