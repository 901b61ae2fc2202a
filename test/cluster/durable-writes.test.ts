/** DURABILITY=durable: what is acknowledged besides messages is as safe as they are. */

import t from 'tap';
import { keys, partitionSlot, roomPartition } from '../../src/redis/keys.js';
import { request } from '../helpers/http.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { type RedisServer, startRedis } from '../helpers/redis.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { open } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const DURABLE = { DURABILITY: 'durable', WAIT_REPLICAS: '1', WAIT_TIMEOUT: '1500' };
const IN_DOUBT = /may or may not/;

interface Message {
  id: number;
  is_read: boolean;
}

/** Somebody at a node, through the chats API. */
class Person {
  readonly token: string;
  readonly #url: string;

  private constructor(token: string, node: TestNode) {
    this.token = token;
    this.#url = `${node.url}/chat`;
  }

  static async at(node: TestNode, id: string): Promise<Person> {
    const person = new Person(await mintToken({ sub: id }), node);
    await person.call('GET', '/chats/');
    return person;
  }

  call<T = { detail?: string }>(method: string, path: string, body?: unknown, headers = {}) {
    return request<T>(method, this.#url + path, { token: this.token, body, headers });
  }

  /** The room of this person and another one. */
  async chat(other: string): Promise<number> {
    return (await this.call<{ id: number }>('POST', '/chats/start/', { user_id: other })).body.id;
  }

  async say(chat: number, content: string): Promise<Message> {
    const headers = { 'idempotency-key': content };
    // A replica that has only just come confirms nothing before its append-only file is there.
    return until(`${content} is acknowledged`, async () => {
      const path = `/chats/${chat}/messages/`;
      const { status, body } = await this.call<Message>('POST', path, { content }, headers);
      return status === 201 && body;
    });
  }

  /** Marks a message as read. */
  read({ id }: Message) {
    return this.call('PATCH', `/messages/${id}/read/`);
  }

  async isRead(chat: number, { id }: Message): Promise<boolean | undefined> {
    const { body } = await this.call<Message[]>('GET', `/chats/${chat}/messages/`);
    return body.find((message) => message.id === id)?.is_read;
  }
}

async function primaryAndReplica(t: Parameters<typeof startRedis>[0]): Promise<[RedisServer, RedisServer]> {
  const primary = await startRedis(t, { aof: 'always' });
  const settings = { replicaof: `127.0.0.1 ${primary.port}` };
  const replica = await startRedis(t, { aof: 'always', settings });
  const inStep = async () => (await replica.ask('INFO replication')).includes('master_link_status:up');
  await until('the replica is in step', inStep, 10_000);
  return [primary, replica];
}

t.test(
  'a receipt that no replica confirms is in doubt, over HTTP and over a socket',
  OWN_SERVERS,
  async (t) => {
    const [primary, replica] = await primaryAndReplica(t);
    const env = { ...DURABLE, REDIS_URL: primary.url };
    const [here, there] = await Promise.all([startNode(t, env), startNode(t, env)]);
    const ada = await Person.at(here, 'ada');
    const bob = await Person.at(here, 'bob');
    const bobThere = await Person.at(there, 'bob');
    const chat = await ada.chat('bob');
    const first = await ada.say(chat, 'one');
    const second = await ada.say(chat, 'two');
    const third = await ada.say(chat, 'three');
    const socket = await open(`${here.wsUrl}/ws/${bob.token}`, { t });
    const report = ({ id }: Message) =>
      socket.send({ type: 'receipt_update', data: { message_id: String(id), status: 'read' } });
    await until('it is confirmed', async () => (await bob.read(first)).status === 200);

    replica.pause();
    const answer = await bob.read(second);
    t.equal(answer.status, 503);
    t.match(answer.body.detail, IN_DOUBT);
    t.ok(answer.headers.get('retry-after'), 'with a time to come back');
    // The other node finds it marked, has nothing to write, and must not take that for an answer.
    t.match((await bobThere.read(second)).body.detail, IN_DOUBT, 'repeated elsewhere');
    report(third);
    socket.send({ type: 'cursor' });
    await socket.nextOf('cursor');
    t.match(
      JSON.stringify(socket.frames.filter(({ type }) => type === 'error')),
      IN_DOUBT,
      'heard before the cursor',
    );

    replica.resume();
    await until('it is acknowledged', async () => (await bob.read(second)).status === 200);
    report(third);
    socket.send({ type: 'cursor' });
    await socket.nextOf('cursor');
    t.equal(socket.frames.filter(({ type }) => type === 'error').length, 1, 'and so is that of the socket');
    for (const message of [first, second, third]) t.ok(await ada.isRead(chat, message));
  },
);

t.test('so are a room, an account, and a public room', OWN_SERVERS, async (t) => {
  const [primary, replica] = await primaryAndReplica(t);
  const node = await startNode(t, { ...DURABLE, ROOMS_AUTH: 'trusted', REDIS_URL: primary.url });
  const ada = await Person.at(node, 'ada');
  await Person.at(node, 'bob');
  const body = { email: 'ada@example.com', password: 'correct horse' };
  const account = (path: string) => request('POST', `${node.url}/api/auth/${path}`, { body });
  const asked = {
    chat: () => ada.call('POST', '/chats/start/', { user_id: 'bob' }),
    registration: () => account('register'),
    'public room': () => request('POST', `${node.url}/api/v1/rooms`, { body: { name: 'a room' } }),
  };
  replica.pause();
  for (const [what, ask] of Object.entries(asked)) {
    const { status, text } = await ask();
    t.equal(status, 503, what);
    t.match(text, IN_DOUBT, what);
  }
  replica.resume();
  const chat = await until('the chat is there', async () => (await ada.chat('bob')) || undefined);
  await ada.say(chat, 'hello');
  t.equal((await account('login')).status, 200, 'an account in doubt that was stored can be used');
  t.equal((await asked['public room']()).status, 200);
});

t.test('many receipts at once share their waits', OWN_SERVERS, async (t) => {
  const [primary] = await primaryAndReplica(t);
  const node = await startNode(t, { ...DURABLE, REDIS_URL: primary.url });
  const ada = await Person.at(node, 'ada');
  const bob = await Person.at(node, 'bob');
  const chat = await ada.chat('bob');
  const say = (word: string) =>
    Promise.all(Array.from({ length: 60 }, (_, i) => ada.say(chat, `${word} ${i}`)));
  const [messages, others] = [await say('one'), await say('other')];
  const waits = async () =>
    Number(/^cmdstat_wait(?:aof)?:calls=(\d+)/m.exec(await primary.ask('INFO commandstats'))?.[1]);
  const before = await waits();
  const answers = await Promise.all(messages.map((message) => bob.read(message)));
  t.ok(answers.every(({ status }) => status === 200));
  const made = (await waits()) - before;
  t.ok(made > 0 && made < messages.length, `${made} waits for ${messages.length} receipts`);

  const socket = await open(`${node.wsUrl}/ws/${bob.token}`, { t });
  for (const { id } of others)
    socket.send({ type: 'receipt_update', data: { message_id: String(id), status: 'read' } });
  socket.send({ type: 'cursor' });
  await socket.nextOf('cursor', 30_000);
  const more = (await waits()) - before - made;
  t.ok(more > 0 && more < others.length, `${more} waits for ${others.length} receipts of one socket`);
  for (const message of others.slice(-3)) t.ok(await ada.isRead(chat, message));
});

t.test('on a cluster each primary waits for its own replicas', OWN_SERVERS, async (t) => {
  const cluster = await startRedisCluster(t, {
    primaries: 3,
    replicas: 3,
    aof: 'always',
    nodeTimeoutMs: 15_000,
  });
  const node = await startNode(t, { ...DURABLE, ...cluster.env });
  const ada = await Person.at(node, 'ada');
  const primaryOf = async (chat: number) =>
    (await cluster.primaryOf(partitionSlot(roomPartition(chat)))).port;
  const chats: { chat: number; reader: Person; messages: Message[]; port: number }[] = [];
  for (const name of ['bob', 'cleo', 'dan', 'eve']) {
    const reader = await Person.at(node, name);
    const chat = await ada.chat(name);
    const messages = [await ada.say(chat, 'one'), await ada.say(chat, 'two')];
    chats.push({ chat, reader, messages, port: await primaryOf(chat) });
  }
  for (const { reader, messages } of chats) t.equal((await reader.read(messages[0] as Message)).status, 200);
  const ports = new Set(chats.map(({ port }) => port));
  t.ok(ports.size > 1, `their rooms lie on ${ports.size} primaries`);

  const stuck = chats[0]?.port;
  // Replicas follow primaries in the order in which they were started.
  const at = cluster.servers.findIndex(({ port }) => port === stuck);
  const replica = cluster.servers[at + 3] as RedisServer;
  replica.pause();
  for (const { reader, messages, port } of chats) {
    const answer = await reader.read(messages[1] as Message);
    if (port !== stuck) t.equal(answer.status, 200, 'acknowledged where the replicas are well');
    else t.match(answer.body.detail, IN_DOUBT);
  }
  replica.resume();
  for (const { chat, reader, messages } of chats) {
    const second = messages[1] as Message;
    await until('it is acknowledged', async () => (await reader.read(second)).status === 200);
    t.ok(await ada.isRead(chat, second));
  }
  const marks = cluster.servers
    .slice(0, 3)
    .map((server) => server.ask(`KEYS ${keys.durable(0).replace(/\{.*\}/, '*')}`));
  t.ok(
    (await Promise.all(marks)).every((keysThere) => /^\*[012]\r/.test(keysThere)),
    'and next to nothing is kept for it',
  );
});
