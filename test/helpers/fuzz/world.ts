/** Two people with something of everything between them, for the fuzzer to speak of. */

import { type FileWorld, SAMPLES, startFileWorld } from '../files.js';
import { mintToken } from '../token.js';
import type { Owner } from '../wait.js';
import type { Known } from './json.js';

export interface Person {
  readonly id: string;
  readonly token: string;
}

export interface FuzzWorld {
  readonly world: FileWorld;
  /** Two who have a chat, a conversation with the agent, a public room, messages and files. */
  readonly people: readonly [Person, Person];
  /** Tokens that are none. */
  readonly badTokens: readonly string[];
  readonly known: Known;
}

/** What a parameter or field of this name holds. A name that is not here holds any of it. */
const KINDS: Record<string, string> = {
  ...named('people', 'user other uid receiver receiver_id other_user_id user_id participant_id sender_id'),
  ...named('rooms', 'room chat conversation conversation_id'),
  ...named('messages', 'message message_id chat_id before after since'),
  ...named('files', 'files attachments path'),
  ...named('tokens', 'token ticket'),
  ...named('emails', 'email'),
  ...named('passwords', 'password'),
  ...named('texts', 'content message_body name username ref idempotency-key'),
  ...named('limits', 'limit'),
};

/** Starts the nodes and makes what there is to speak of. */
export async function startFuzzWorld(t: Owner): Promise<FuzzWorld> {
  const env = { AGENT: 'echo', SOCKET_RATE: '0', LOG_LEVEL: 'warn', HISTORY_MAX_MESSAGES: '100' };
  const world = await startFileWorld(t, env);
  const people = [
    { id: '7', token: await world.person('7', { name: 'Ann' }) },
    { id: 'bob', token: await world.person('bob') },
  ] as const;
  const [ann, bob] = people;
  const ask = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const answer = await world.api<Record<string, unknown>>(method, path, ann.token, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  const conversation = await ask('POST', '/api/conversations', { participant_id: bob.id });
  const agent = await ask('POST', '/api/conversations', { is_ai: true });
  const chat = await ask('POST', '/chat/chats/start/', { user_id: bob.id });
  const room = await ask('POST', '/api/v1/rooms', { name: 'a room' });
  const said = [
    await ask('POST', '/api/messages/', { conversation_id: conversation.conversation_id, message: 'one' }),
    await ask('POST', `/chat/chats/${chat.id}/messages/`, { content: 'two' }),
    await ask('POST', `/api/v1/rooms/${room.id}/messages`, { content: 'three', user_id: ann.id }),
  ];
  const file = await world.upload(ann.token, bob.id, SAMPLES.png, 'a.png');
  const users = await ask('GET', '/api/users/');
  const account = { email: 'ann@example.com', password: 'correct horse battery staple' };
  await ask('POST', '/api/auth/register', account);
  const things: Record<string, string[]> = {
    people: [ann.id, bob.id, ...(users as unknown as { id: unknown }[]).map(({ id }) => String(id))],
    rooms: [chat.id, conversation.conversation_id, agent.conversation_id, room.id].map(String),
    messages: said.map(({ id, message_id }) => String(id ?? message_id)),
    files: [file.file_url, file.file_url.slice(1), file.file_url.split('/').slice(2).join('/')],
    tokens: people.map(({ token }) => token),
    emails: [account.email, 'new@example.com'],
    passwords: [account.password],
    texts: ['hello'],
    limits: ['1', '50', '1000'],
  };
  const everything = Object.values(things).flat();
  return {
    world,
    people,
    badTokens: [
      'nonsense',
      await mintToken({ sub: ann.id }, 'another secret of the tests that is long enough'),
      await mintToken({ sub: ann.id }, undefined, { expiresIn: '-1s' }),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${ann.token.split('.')[1]}.`,
    ],
    known: (name) => things[KINDS[name] ?? ''] ?? everything,
  };
}

function named(kind: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, kind]));
}
