/** The client against real nodes that are killed, drained, frozen and cut off. */

import t, { type Test } from 'tap';
import { DIALECTS, type Parlance, type RefusedError } from '../../src/client/index.js';
import { startNodes } from '../helpers/chat.js';
import { clientOf, faultsOf, type Heard, hear, listen } from '../helpers/client.js';
import { type Door, openDoor } from '../helpers/door.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { startProxy } from '../helpers/proxy.js';
import { mintToken } from '../helpers/token.js';
import { type AnyRedis, startAnyRedis } from '../helpers/topology.js';
import { type Owner, until, within } from '../helpers/wait.js';

interface World {
  redis: AnyRedis;
  nodes: [TestNode, TestNode];
  door: Door;
}

async function start(t: Owner, env: Record<string, string> = {}): Promise<World> {
  const redis = await startAnyRedis(t, { aof: 'everysec' });
  const all = {
    ...redis.env,
    SOCKET_RATE: '50',
    ROOMS_AUTH: 'jwt',
    RECEIPT_RESEND_MS: '200',
    ...env,
  };
  const [a, b] = (await startNodes(t, 2, all)) as [TestNode, TestNode];
  return { redis, nodes: [a, b], door: await openDoor(t, [a.port, b.port]) };
}

/** Two people who have a chat. */
async function pairOf(t: Owner, door: Door, names: [string, string]): Promise<[Parlance, Parlance, string]> {
  const [ada, grace] = await Promise.all(names.map((name) => clientOf(t, door.url, name)));
  const [one, two] = [ada as Parlance, grace as Parlance];
  await two.api.people();
  const { id } = await one.api.startDirect(names[1], names[0]);
  return [one, two, id];
}

t.test('a client', async (t) => {
  const world = await start(t);
  const { door } = world;

  t.test('says and hears the same in all five documents', async (t) => {
    const [ada, grace, room] = await pairOf(t, door, ['ada', 'grace']);
    const heard = await Promise.all(DIALECTS.map((dialect) => listen(grace, dialect, room)));
    const sent = [];
    for (const dialect of DIALECTS) {
      const { channel } = await listen(ada, dialect, room);
      sent.push(await channel.send({ text: `by ${dialect} \u{1f44b}`, to: 'grace' }));
    }
    await until('all is heard', () => heard.every(({ messages }) => messages.length === sent.length));
    for (const { channel, messages } of heard) {
      const told = messages.map(({ id, room, offset, sender, text }) => ({ id, room, offset, sender, text }));
      const wanted = sent.map(({ id, room, offset, sender, text }) => ({ id, room, offset, sender, text }));
      t.same(told, wanted, channel.speech.name);
    }
    t.same(
      sent.map(({ offset, sender }) => [offset, sender]),
      [1, 2, 3, 4, 5].map((offset) => [offset, 'ada']),
    );
    const [chat] = await grace.api.directChats();
    t.equal(chat?.unread, 5);
    const stored = await grace.api.history(chat as NonNullable<typeof chat>, { limit: 2 });
    t.same(
      stored.map(({ id }) => id),
      sent.slice(-2).map(({ id }) => id),
      'the history too',
    );
    const [, second] = sent;
    const before = await grace.api.history(chat as NonNullable<typeof chat>, { before: second?.id });
    t.same(
      before.map(({ id }) => id),
      [sent[0]?.id],
    );
  });

  t.test('tells how far its messages got, once', async (t) => {
    const [ada, grace, room] = await pairOf(t, door, ['anna', 'gustav']);
    const [writer, reader] = await Promise.all([listen(ada, 'skillarena'), listen(grace, 'skillarena')]);
    const ids = [];
    for (let i = 0; i < 120; i += 1) {
      ids.push(writer.channel.send({ text: `${i}`, to: 'gustav' }));
    }
    const messages = await within('all are acknowledged', Promise.all(ids), 20_000);
    await until('all came', () => reader.messages.length === 120, 20_000);
    // Cut off in the middle of many reports: each one is made until the service has it.
    for (const { id } of reader.messages) reader.channel.report(id, 'read');
    door.cut();
    const read = () => new Set(writer.receipts.filter((one) => one.endsWith('read')));
    await until('all are read', () => read().size === 120, 20_000);
    const history = await ada.api.chatHistory(room);
    t.ok(history.every(({ status }) => status === 'read'));
    t.same(new Set([...read()].map((one) => one.split(' ')[0])), new Set(messages.map(({ id }) => id)));
    // Confirmations leave no faster than a node lets pass: the last of them after what they confirm was told.
    const confirmed = () =>
      writer.frames.filter(({ direction, text }) => direction === 'out' && text.includes('"stop":true'));
    await until('each is confirmed', () => confirmed().length >= 120, 30_000);
    // What is confirmed is not said again: once the confirmations have arrived, another connection is told nothing.
    const saidAgain = async () => {
      const again = await listen(ada, 'skillarena');
      await again.channel.send({ text: 'the last', to: 'gustav' });
      again.channel.close();
      return again.receipts.length > 0;
    };
    await until('nothing is said again', async () => !(await saidAgain()), 60_000);
  });

  t.test('knows who is there', async (t) => {
    const [ada, grace] = await pairOf(t, door, ['alan', 'gil']);
    const seen: (boolean | undefined)[] = [];
    const { channel } = await listen(grace, 'skillarena');
    const stop = ada.presence.watch('gil', (presence) => seen.push(presence?.online));
    await until('gil is there', () => seen.at(-1) === true);
    channel.close();
    stop();
    ada.presence.watch('gil', (presence) => seen.push(presence?.online));
    await until('and no more', () => seen.at(-1) === false, 15_000);
  });

  t.test('stores once what it had to send twice', async (t) => {
    const [node] = world.nodes;
    const proxy = await startProxy(t, node.port);
    const ada = await clientOf(t, `http://127.0.0.1:${proxy.port}`, 'agnes');
    const room = (await ada.api.createRoom('once')).id;
    const { channel, messages } = await listen(ada, 'rooms', room);
    let cuts = 0;
    // The frame arrives, after the client was cut off: it never hears of it.
    proxy.rule = (_, to) => {
      if (to !== 'redis' || cuts > 0) return 'pass';
      cuts += 1;
      return 'late';
    };
    const sent = await within('it is acknowledged', channel.send({ text: 'once' }), 20_000);
    t.equal(cuts, 1);
    await until('it is heard', () => messages.length > 0);
    const stored = await ada.api.history({
      ...(await ada.api.publicRooms())[0],
      id: room,
      kind: 'public',
    } as never);
    t.same(
      stored.map(({ id, text }) => [id, text]),
      [[sent.id, 'once']],
    );
    t.equal(messages.length, 1, 'and told once');
  });

  t.test('keeps a bounded number of sends, and gives up those that are refused', async (t) => {
    const ada = await clientOf(t, door.url, 'amy');
    const room = (await ada.api.createRoom('bounds')).id;
    const { channel } = await listen(ada, 'rooms', room);
    await t.rejects(channel.send({ text: 'x'.repeat(17_000) }), { name: 'RefusedError', status: 400 });
    await t.rejects(
      channel.send({ text: 'x'.repeat(200_000) }),
      { message: 'the message is too long' },
      '1009',
    );
    await until('it is back', () => channel.live);
    channel.close();
    await t.rejects(channel.send({ text: 'late' }), { message: 'the channel has ended' });
    const away = await clientOf(t, door.url, 'amy');
    door.targets = [];
    const lost = hear(await away.open('rooms', room));
    const sends = Array.from({ length: 201 }, (_, i) => lost.channel.send({ text: `${i}` }));
    await t.rejects(sends.pop() as Promise<unknown>, { message: 'too many messages wait to be sent' });
    door.targets = world.nodes.map(({ port }) => port);
    const stored = await Promise.all(sends);
    t.same(faultsOf(stored), [], 'the others are sent in order, once there is somebody');
    t.notOk(
      lost.frames.some(({ text }) => text.includes('too many')),
      'and not faster than a node lets pass',
    );
  });

  t.test('comes back with a new token, and stays away without one', async (t) => {
    // Short, and long enough for two sockets to open while it holds.
    const first = await mintToken({ sub: 'abe' }, undefined, { expiresIn: '6s' });
    let asked = 0;
    const token = async (expired: boolean) => {
      asked += expired ? 1 : 0;
      return expired || asked > 0 ? mintToken({ sub: 'abe' }) : first;
    };
    const [abe, other] = [
      await clientOf(t, door.url, 'abe', { token }),
      await clientOf(t, door.url, 'abe', { token: first }),
    ];
    const room = (await abe.api.createRoom('tokens')).id;
    const [renewed, stale] = await Promise.all([listen(abe, 'rooms', room), listen(other, 'rooms', room)]);
    await until('one is over', () => stale.ended !== undefined);
    t.equal(stale.ended, 'unauthorized');
    await until('the other is back', () => asked === 1 && renewed.channel.live);
    await renewed.channel.send({ text: 'still here' });

    const forged = hear(
      await (await clientOf(t, door.url, 'abe', { token: `${first}x` })).open('skillarena'),
    );
    await until('it is refused', () => forged.ended !== undefined);
    t.equal(forged.ended, 'unauthorized');
    const nowhere = hear(await (await clientOf(t, door.url, 'abe')).open('chats', '4711'));
    await until('there is no such room', () => nowhere.ended !== undefined);
    t.equal(nowhere.ended, 'gone');
  });
});

t.test('nodes that go', async (t) => {
  const world = await start(t, { DRAIN_MS: '500' });
  const { door, redis } = world;
  const [ada, grace, room] = await pairOf(t, door, ['ada', 'grace']);
  const channels = await Promise.all([
    listen(ada, 'skillarena'),
    listen(ada, 'rooms', room),
    listen(grace, 'skillarena'),
    listen(grace, 'netrox'),
    listen(grace, 'chats', room),
    listen(grace, 'conversations', room),
  ]);
  const sent: Promise<unknown>[] = [];
  const say = (text: string) => {
    for (const { channel } of channels) {
      sent.push(channel.send({ text, to: channel === channels[0]?.channel ? 'grace' : 'ada' }));
    }
  };
  // netrox and skillarena sockets of grace write to ada, and the other way round.
  const talk = (round: string, count: number) => {
    for (let i = 0; i < count; i += 1) say(`${round} ${i}`);
  };
  const settled = async (t: Test) => {
    // Whoever talks to a frozen node finds out only after some time.
    await within('all are acknowledged', Promise.all(sent), 40_000);
    const all = (one: Heard) => one.messages.length >= sent.length;
    await until('everybody has all', () => channels.every(all), 20_000);
    for (const { channel, messages } of channels) {
      t.same(faultsOf(messages), [], `${channel.speech.name}: once, in order`);
      t.equal(messages.length, sent.length);
    }
  };

  t.test('one is killed', async (t) => {
    talk('before', 4);
    await within('all are acknowledged', Promise.all(sent), 20_000);
    talk('while', 4);
    await world.nodes[0].kill9();
    talk('after', 4);
    await settled(t);
    t.ok(
      channels.every(({ states }) => states.includes('waiting')),
      'all were cut off',
    );
  });

  t.test('one is drained, and another takes over', async (t) => {
    const third = await startNode(t, { ...redis.env, DRAIN_MS: '500' });
    door.targets = [world.nodes[1].port, third.port];
    talk('before the drain', 3);
    const drained = world.nodes[1].stop();
    talk('while it drains', 3);
    t.equal(await drained, 0, `it ends; its last words: ${world.nodes[1].logs().slice(-3).join(' ')}`);
    await settled(t);

    // Frozen: nothing is closed and nothing answers. What is not answered is asked after.
    const fourth = await startNode(t, { ...redis.env });
    door.targets = [fourth.port];
    third.pause();
    talk('to nobody', 1);
    await settled(t);
    third.resume();

    // Redis is away: sends are refused for the moment, and tried again.
    await redis.stop();
    talk('without Redis', 2);
    const refused = () =>
      channels.some(({ frames }) =>
        frames.some(({ text }) => text.includes('the service is temporarily unavailable')),
      );
    await until('sends are refused', refused, 20_000);
    await redis.restart();
    await settled(t);
  });
});

t.test('words of a refusal', async (t) => {
  const world = await start(t);
  const ada = await clientOf(t, world.door.url, 'ada');
  const refusal = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: RefusedError) => error,
    );
  t.match(await refusal(ada.api.logIn('nobody@example.com', 'wrong password')), { status: 401 });
  t.match(await refusal(ada.api.startAgent('ada')), { status: 503, message: /no AI agent/ });
  t.match(await refusal(ada.api.chatHistory('4711')), { status: 404, message: 'chat not found' });
  const { id, token } = await ada.api.register('new@example.com', 'long enough', 'New');
  t.equal(await new (ada.constructor as typeof Parlance)({ url: ada.url, token }).user(), id);
});
