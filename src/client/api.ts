import type { Http } from './http.js';
import { plainId } from './ids.js';
import { chatsMessage } from './speech/chats.js';
import { conversationsMessage } from './speech/conversations.js';
import { roomsMessage } from './speech/rooms.js';
import { skillarenaMessage } from './speech/skillarena.js';
import { type Frame, objectOf, timeOf } from './speech.js';
import type { Message } from './types.js';

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly picture: string | undefined;
}

/** Somebody who has just registered or logged in. */
export interface SignedIn {
  readonly id: string;
  readonly token: string;
}

/** `agent`: with the AI agent. */
export type ConversationKind = 'direct' | 'public' | 'agent';

/** Something to talk in, as a list shows it. */
export interface Conversation {
  /** Its room. */
  readonly id: string;
  readonly kind: ConversationKind;
  readonly name: string;
  /** The other one, in a direct chat or with the agent. */
  readonly other: string | undefined;
  readonly picture: string | undefined;
  /** Known of direct chats only. */
  readonly unread: number;
  readonly last: Message | undefined;
  readonly createdAt: number;
}

/** Which messages of a history; where only `limit` or `before` bounds it, the newest. Ids of messages. */
export interface Range {
  readonly limit?: number;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

type Rows = readonly Frame[];

/** What the documents offer over HTTP, in the terms of the client. Everything throws RefusedError. */
export class Api {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  async register(email: string, password: string, name?: string): Promise<SignedIn> {
    return this.#signIn('register', { email, password, ...(name ? { name } : {}) });
  }

  async logIn(email: string, password: string): Promise<SignedIn> {
    return this.#signIn('login', { email, password });
  }

  async #signIn(how: string, body: object): Promise<SignedIn> {
    const { user_id, token } = await this.#http.request<Frame>('POST', `/api/auth/${how}`, { body });
    return { id: plainId(user_id), token: String(token) };
  }

  async people(): Promise<Person[]> {
    return (await this.#http.request<Rows>('GET', '/api/users/')).map(personOf);
  }

  async person(id: string): Promise<Person> {
    return personOf(await this.#http.request<Frame>('GET', `/api/users/${encodeURIComponent(id)}`));
  }

  /** Whether somebody is there; undefined for somebody who never was. */
  async status(user: string): Promise<{ online: boolean; seenAt: number } | undefined> {
    try {
      const path = `/chat/users/${encodeURIComponent(user)}/status/`;
      const { is_online, last_seen } = await this.#http.request<Frame>('GET', path);
      return { online: is_online === true, seenAt: timeOf(last_seen) };
    } catch (error) {
      if ((error as { status?: number }).status === 404) return undefined;
      throw error;
    }
  }

  /** Direct chats, with what is unread in them. */
  async directChats(): Promise<Conversation[]> {
    const rows = await this.#http.request<Rows>('GET', '/chat_history');
    return rows.map((row) => {
      const { first_name, last_name, photo } = objectOf(row.user);
      const other = plainId(row.other_user_id);
      const name = [first_name, last_name].filter(Boolean).join(' ') || other;
      const last = row.last_message === null ? undefined : skillarenaMessage(objectOf(row.last_message));
      return {
        id: plainId(row.chat_id),
        kind: 'direct',
        name,
        other,
        picture: pictureOf(photo),
        unread: Number(row.unread_count),
        last,
        createdAt: timeOf(row.created_at),
      };
    });
  }

  /** Conversations with the AI agent. */
  async agentChats(me: string): Promise<Conversation[]> {
    const rows = await this.#http.request<Rows>('GET', '/api/conversations');
    return rows.filter(({ is_ai }) => is_ai === true).map((row) => conversationOf(row, me));
  }

  /** Rooms that everybody may join. */
  async publicRooms(): Promise<Conversation[]> {
    const [rooms, others] = await Promise.all([
      this.#http.request<Rows>('GET', '/api/v1/rooms'),
      this.#http.request<Rows>('GET', '/api/conversations'),
    ]);
    const closed = new Set(others.map(({ conversation_id }) => plainId(conversation_id)));
    return rows(rooms).filter(({ id }) => !closed.has(id));
  }

  async createRoom(name: string): Promise<Conversation> {
    return roomOf(await this.#http.request<Frame>('POST', '/api/v1/rooms', { body: { name } }));
  }

  /** The chat with somebody: the one there is, or a new one. */
  async startDirect(user: string, me: string): Promise<Conversation> {
    const body = { participant_id: user };
    return conversationOf(await this.#http.request<Frame>('POST', '/api/conversations', { body }), me);
  }

  /** A new conversation with the AI agent. */
  async startAgent(me: string): Promise<Conversation> {
    const body = { is_ai: true };
    return conversationOf(await this.#http.request<Frame>('POST', '/api/conversations', { body }), me);
  }

  /** Part of a history, oldest first. Messages of direct chats carry how far they got. */
  async history({ id, kind, other }: Conversation, range: Range = {}): Promise<Message[]> {
    const query = queryOf(range);
    if (kind === 'direct' && other !== undefined) {
      const path = `/chat_history/${encodeURIComponent(other)}${query}`;
      return (await this.#http.request<Rows>('GET', path)).map(skillarenaMessage);
    }
    if (kind === 'agent') return this.chatHistory(id, range);
    return (await this.#http.request<Rows>('GET', `/api/v1/rooms/${id}/messages${query}`)).map(roomsMessage);
  }

  /** The same of a direct or agent chat, from the document that tells the names and sizes of files. */
  async chatHistory(room: string, range: Range = {}): Promise<Message[]> {
    const path = `/chat/chats/${room}/messages/${queryOf(range)}`;
    return (await this.#http.request<Rows>('GET', path)).map(chatsMessage);
  }

  /** Sends one message to a direct or agent chat without a socket. The same key stores one. */
  async send(room: string, text: string, key: string = crypto.randomUUID()): Promise<Message> {
    const path = `/chat/chats/${room}/messages/`;
    return chatsMessage(await this.#http.request<Frame>('POST', path, { body: { content: text }, key }));
  }

  async markRead(message: string): Promise<void> {
    await this.#http.request('PATCH', `/chat/messages/${message}/read/`);
  }

  /** Addresses at which files can be fetched, for some minutes, by reference. */
  async addresses(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const body = { files };
    const { presigned_urls } = await this.#http.request<Frame>('POST', '/get_presigned_urls', { body });
    return new Map(Object.entries(objectOf(presigned_urls) as Record<string, string>));
  }
}

function rows(rooms: Rows): Conversation[] {
  return rooms.map(roomOf);
}

function roomOf({ id, name, created_at }: Frame): Conversation {
  return {
    id: plainId(id),
    kind: 'public',
    name: String(name),
    other: undefined,
    picture: undefined,
    unread: 0,
    last: undefined,
    createdAt: timeOf(created_at),
  };
}

function conversationOf(row: Frame, me: string): Conversation {
  const people = (row.participants as Rows).map(personOf);
  const other = people.find(({ id }) => id !== me) ?? people[0];
  return {
    id: plainId(row.conversation_id),
    kind: row.is_ai === true ? 'agent' : 'direct',
    name: other?.name ?? '',
    other: other?.id,
    picture: other?.picture,
    unread: 0,
    last: row.last_message === null ? undefined : conversationsMessage(objectOf(row.last_message)),
    createdAt: timeOf(row.created_at),
  };
}

function personOf({ user_id, name, email, profile_picture }: Frame): Person {
  return {
    id: plainId(user_id),
    name: String(name),
    email: String(email ?? ''),
    picture: pictureOf(profile_picture),
  };
}

function pictureOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function queryOf({ limit, before, after }: Range): string {
  const query = new URLSearchParams();
  if (limit !== undefined) query.set('limit', String(limit));
  if (before !== undefined) query.set('before', before);
  if (after !== undefined) query.set('after', after);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
