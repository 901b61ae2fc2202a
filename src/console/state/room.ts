import { batch, computed, signal } from '@preact/signals';
import type { Attachment, Conversation, Message, Presence, Status } from '../../client/index.js';

const ORDER: readonly Status[] = ['sent', 'delivered', 'read'];
/** Messages of one room that are kept while it is not looked at. */
const KEPT = 200;

/** A message that is on its way. */
export interface Sending {
  /** Its idempotency key. */
  readonly key: string;
  readonly text: string;
  readonly files: readonly File[];
  readonly at: number;
  /** How much of its files is uploaded, from 0 to 1. */
  readonly progress: number;
  /** Why it was not taken; undefined while it is tried. */
  readonly fault: string | undefined;
  /** References of its files, once they are uploaded. */
  readonly attachments: readonly string[] | undefined;
}

/** Somebody came or went, in the words of the document. */
export interface Notice {
  readonly text: string;
  readonly at: number;
}

/** What is known of one conversation. Messages come from several documents and are one: they have the same id in each. */
export class Room {
  readonly id: string;
  readonly conversation = signal<Conversation>(undefined as unknown as Conversation);
  readonly messages = signal<readonly Message[]>([]);
  readonly sending = signal<readonly Sending[]>([]);
  readonly unread = signal(0);
  /** Where "new messages" begin, as long as the room is open. */
  readonly newFrom = signal<string | undefined>(undefined);
  /** What the agent has typed of its answer; undefined while it does not. */
  readonly typing = signal<string | undefined>(undefined);
  readonly presence = signal<Presence | undefined>(undefined);
  readonly notice = signal<Notice | undefined>(undefined);
  /** How its history is: not asked for, being loaded, there, all there, or a fault in words. */
  readonly history = signal<'none' | 'loading' | 'some' | 'all' | { fault: string }>('none');
  /** The newest message that is known, from a list or from the room itself. */
  readonly last = computed(() => this.messages.value.at(-1) ?? this.conversation.value.last);
  readonly activeAt = computed(() => this.last.value?.at ?? this.conversation.value.createdAt);

  /** The newest message that the service had counted when it told what is unread. */
  #counted = 0;

  constructor(conversation: Conversation, me: string) {
    this.id = conversation.id;
    this.conversation.value = conversation;
    this.count(conversation.unread, conversation.last?.offset ?? 0, me);
  }

  /** The service counts `unread` messages up to `offset`; what came since is added. */
  count(unread: number, offset: number, me: string): void {
    this.#counted = offset;
    const since = this.messages.value.filter((message) => message.offset > offset && message.sender !== me);
    this.unread.value = unread + since.length;
  }

  /** Adds messages of others, but for those that were counted already. */
  countMore(messages: readonly Message[]): void {
    this.unread.value += messages.filter(({ offset }) => offset > this.#counted).length;
  }

  /** Takes messages, known ones too: what each document knows of them is put together. @returns those that are new */
  take(messages: readonly Message[]): Message[] {
    const known = new Map(this.messages.value.map((message) => [message.offset, message]));
    const fresh: Message[] = [];
    for (const message of messages) {
      const before = known.get(message.offset);
      if (!before) fresh.push(message);
      known.set(message.offset, before ? merge(before, message) : message);
    }
    this.messages.value = [...known.values()].sort((a, b) => a.offset - b.offset);
    return fresh;
  }

  /** Somebody got or read messages. */
  mark(ids: ReadonlySet<string>, status: Status): void {
    if (ids.size === 0) return;
    this.messages.value = this.messages.value.map((message) =>
      ids.has(message.id) ? { ...message, status: further(message.status, status) } : message,
    );
  }

  /** The agent types: `text` belongs at `at` of its answer. Who came late lacks the beginning. */
  type(text: string, at: number | undefined): void {
    const before = this.typing.value ?? '';
    const place = at ?? before.length;
    this.typing.value = (place > before.length ? `${before}…` : before.slice(0, place)) + text;
  }

  /** Forgets what may no longer be so. */
  clear(): void {
    batch(() => {
      this.messages.value = [];
      this.history.value = 'none';
      this.typing.value = undefined;
    });
  }

  /** Lets go of what is far up: it is loaded again when somebody looks. */
  trim(): void {
    if (this.messages.value.length <= KEPT) return;
    this.messages.value = this.messages.value.slice(-KEPT);
    if (this.history.value === 'all') this.history.value = 'some';
  }

  /** Adds a message on its way, or changes one. */
  setSending(key: string, change: Partial<Sending>): void {
    this.sending.value = this.sending.value.map((one) => (one.key === key ? { ...one, ...change } : one));
  }

  dropSending(key: string): void {
    this.sending.value = this.sending.value.filter((one) => one.key !== key);
  }
}

function merge(before: Message, now: Message): Message {
  const attachments = now.attachments.map((file): Attachment => {
    const known = before.attachments.find(({ url }) => url === file.url);
    return {
      url: file.url,
      name: file.name ?? known?.name,
      size: file.size ?? known?.size,
      contentType: file.contentType ?? known?.contentType,
    };
  });
  return {
    ...now,
    // The finer of two times of one message.
    at: now.at % 1_000 === 0 ? before.at : now.at,
    attachments: attachments.length > 0 ? attachments : before.attachments,
    status: further(before.status, now.status),
  };
}

function further(a: Status | undefined, b: Status | undefined): Status | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return ORDER.indexOf(a) > ORDER.indexOf(b) ? a : b;
}
