/** Receipts of the skillarena document, and the loop that repeats them until `stop`. */

import t from 'tap';
import { keys } from '../../src/redis/keys.js';
import { request } from '../helpers/http.js';
import {
  type ChatMessage,
  dataOf,
  framesOf,
  heard,
  isReceipt,
  type Pair,
  RECEIPT_KEYS,
  receipt,
  says,
  startPair,
  taken,
  tellings,
  told,
} from '../helpers/skillarena.js';
import type { Frame, TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { type Owner, until } from '../helpers/wait.js';

/** The first telling, and the repeats of one connection. */
const TIMES = 6;
/** A loop that is not a test's own ends only with the socket: short enough that many fit. */
const pair = await startPair(t, { RECEIPT_RESEND_MS: '150' });

/** A socket that has been told what was owed when it came: what becomes owed from now on, it is told as news alone. */
async function ready(test: Owner, on: Pair, user: string): Promise<TestSocket> {
  const socket = await on.join(user, { t: test });
  await taken(socket);
  return socket;
}

/** A message of a new chat, and its receiver's socket. */
async function fresh(test: Owner, on: Pair, from: string, to: string) {
  await on.meet(from, to);
  const receiver = await ready(test, on, to);
  const sender = await ready(test, on, from);
  const message = await on.say(sender, to, `from ${from}`);
  await heard(receiver, message.message);
  return { message, sender, receiver };
}

/** Waits until the loop of a later receipt has run to its end on each socket: earlier ones have ended too, then. */
async function loopsEnded(sockets: readonly TestSocket[], receiver: TestSocket, clock: ChatMessage) {
  receiver.send(receipt(clock, 'read'));
  for (const socket of sockets) {
    await until('the loop of the clock ends', () => tellings(socket, clock, 'read') >= TIMES);
  }
}

t.test("the receiver's report reaches every socket of the sender, and nobody else", async (t) => {
  const { message, sender, receiver } = await fresh(t, pair, 'r-ann', 'r-bob');
  const senders = [sender, await ready(t, pair, 'r-ann'), await ready(t, pair, 'r-ann')];
  const receiverToo = await ready(t, pair, 'r-bob');
  for (const status of ['delivered', 'read']) {
    receiver.send(receipt(message, status));
    for (const socket of senders) {
      const frame = await told(socket, message, status);
      t.same(Object.keys(frame).sort(), ['data', 'type']);
      t.same(Object.keys(dataOf(frame)).sort(), RECEIPT_KEYS);
      const { chat_id, message_id } = message;
      t.same(dataOf(frame), { chat_id, user_id: 'r-bob', message_id, status, stop: false });
    }
    await taken(receiver); // what is owed is repeated, and may be so before it is marked
    for (const [viewer, other] of [
      ['r-ann', 'r-bob'],
      ['r-bob', 'r-ann'],
    ] as const) {
      t.equal((await pair.history(viewer, other))[0]?.status, status);
      t.equal((await pair.chats(viewer))[0]?.last_message?.status, status);
    }
  }
  for (const socket of [receiver, receiverToo]) {
    await taken(socket);
    t.same(framesOf(socket, 'receipt_update'), []);
  }
});

t.test('a report may say less, and say it in other forms', async (t) => {
  const { message, sender, receiver } = await fresh(t, pair, 'f-ann', '12');
  const second = await pair.say(sender, '12', 'second');
  const { message_id } = message;
  receiver.send({ type: 'receipt_update', data: { message_id, status: 'delivered' } });
  await told(sender, message, 'delivered');
  const asNumbers = { chat_id: Number(second.chat_id), message_id: Number(second.message_id), user_id: 12 };
  receiver.send({ type: 'receipt_update', data: { ...asNumbers, status: 'delivered', stop: 'false' } });
  t.equal(
    dataOf(await told(sender, second, 'delivered')).message_id,
    second.message_id,
    'written as strings',
  );
});

t.test('a status only goes forward, and is news once', async (t) => {
  const { message, sender, receiver } = await fresh(t, pair, 'o-ann', 'o-bob');
  const clock = await pair.say(sender, 'o-bob', 'clock');
  receiver.send(receipt(message, 'read'));
  await told(sender, message, 'read');
  sender.send(receipt(message, 'read', true));
  await taken(sender);
  const tellingsThen = tellings(sender, message, 'read');
  receiver.send(receipt(message, 'delivered'));
  receiver.send(receipt(message, 'read'));
  await taken(receiver);
  await loopsEnded([sender], receiver, clock);
  t.equal(tellings(sender, message, 'delivered'), 0, 'a step back is ignored');
  t.equal(tellings(sender, message, 'read'), tellingsThen, 'a second report starts nothing');
  t.equal(framesOf(receiver, 'error').length, 0);
  t.equal((await pair.history('o-ann', 'o-bob'))[0]?.status, 'read');
});

t.test('five repeats in a connection, and a new connection begins anew', async (t) => {
  const { message, sender, receiver } = await fresh(t, pair, 'l-ann', 'l-bob');
  const clock = await pair.say(sender, 'l-bob', 'clock');
  const too = await ready(t, pair, 'l-ann');
  receiver.send(receipt(message, 'delivered'));
  await told(sender, message, 'delivered');
  for (const socket of [sender, too]) {
    await until('five repeats', () => tellings(socket, message, 'delivered') >= TIMES);
  }
  await loopsEnded([sender, too], receiver, clock);
  for (const socket of [sender, too]) t.equal(tellings(socket, message, 'delivered'), TIMES);
  const [first] = framesOf(sender, 'receipt_update');
  t.equal(
    framesOf(sender, 'receipt_update').filter((data) => JSON.stringify(data) === JSON.stringify(first))
      .length,
    TIMES,
    'all alike',
  );

  const again = await pair.join('l-ann', { t });
  t.match(
    dataOf(await again.next()),
    { message_id: message.message_id, status: 'delivered' },
    'at once, the oldest first',
  );
  t.match(dataOf(await again.next()), { message_id: clock.message_id, status: 'read' });
  const later = await pair.say(again, 'l-bob', 'a later clock');
  await loopsEnded([again], receiver, later);
  t.equal(tellings(again, message, 'delivered'), TIMES);
  t.equal(tellings(again, clock, 'read'), TIMES);
});

t.test('stop ends it everywhere: on all sockets, on all nodes, for good', async (t) => {
  for (const [user, stop] of [
    ['s-ann', true],
    ['s-ben', 'true'],
  ] as const) {
    const { message, sender, receiver } = await fresh(t, pair, user, 's-bob');
    const clock = await pair.say(sender, 's-bob', `clock of ${user}`);
    const sockets = [sender, await ready(t, pair, user), await ready(t, pair, user)];
    receiver.send(receipt(message, 'delivered'));
    for (const socket of sockets) await told(socket, message, 'delivered');
    receiver.send(receipt(message, 'read'));
    for (const socket of sockets) await told(socket, message, 'read');
    // Confirmed on another socket than that it was sent from; the frame as it came but for stop.
    sockets[1]?.send(receipt(message, 'delivered', stop));
    await taken(sockets[1] as TestSocket);
    await loopsEnded(sockets, receiver, clock);
    for (const socket of sockets) {
      // Told after the stop, the clock's receipt is repeated: from then on every node knows of the stop.
      const since = socket.frames.filter((frame) => isReceipt(frame, clock, 'read'))[1] as Frame;
      const late = socket.frames.slice(socket.frames.indexOf(since));
      t.notOk(
        late.some((frame) => isReceipt(frame, message, 'delivered')),
        'ended',
      );
      t.equal(tellings(socket, message, 'read'), TIMES, 'the other status goes on');
    }
    const back = await pair.join(user, { t });
    await told(back, message, 'read');
    await told(back, clock, 'read');
    t.equal(tellings(back, message, 'delivered'), 0, 'a new connection does not hear of it');
    sender.send(receipt(message, 'delivered', stop));
    await taken(sender);
    t.same(framesOf(sender, 'error'), [], 'stopping what has stopped is no error');
    t.same(framesOf(receiver, 'receipt_update'), [], 'stop is not passed on');
    t.equal((await pair.history(user, 's-bob'))[0]?.status, 'read');
  }
});

t.test('a sender who is away hears of it on coming back, also when the node died', async (t) => {
  const own = await startPair(t, { RECEIPT_RESEND_MS: '150' });
  const [a, b] = own.nodes;
  await own.meet('k-ann', 'k-bob');
  const sender = await own.join('k-ann', { t, node: a });
  const receiver = await own.join('k-bob', { t, node: b });
  const [one, two] = [await own.say(sender, 'k-bob', 'one'), await own.say(sender, 'k-bob', 'two')];
  receiver.send(receipt(one, 'delivered'));
  await told(sender, one, 'delivered');
  await a.kill9();
  await sender.closed;
  receiver.send(receipt(two, 'read'));
  await taken(receiver);
  const back = await own.join('k-ann', { t, node: b });
  t.match(dataOf(await told(back, one, 'delivered')), { user_id: 'k-bob', stop: false });
  await told(back, two, 'read');
  await until(
    'both loops run', // one may have been told once more, as news that came late
    () => tellings(back, one, 'delivered') >= TIMES && tellings(back, two, 'read') >= TIMES,
  );
  for (const [message, status] of [
    [one, 'delivered'],
    [two, 'read'],
  ] as const) {
    back.send(receipt(message, status, true));
  }
  await taken(back);
  const last = await own.join('k-ann', { t, node: b });
  await taken(last);
  t.same(framesOf(last, 'receipt_update'), [], 'nothing is owed any more');
});

t.test('the first receipt of a brand-new chat is told, however fast it comes', async (t) => {
  await pair.meet('n-ann');
  const sender = await pair.join('n-ann', { t });
  for (let i = 0; i < 12; i += 1) {
    const other = `n-${i}`;
    await pair.meet(other);
    const receiver = await pair.join(other, { t });
    sender.send(says(other, 'hello'));
    const message = await heard(receiver, 'hello');
    receiver.send(receipt(message, 'delivered'));
    await told(sender, message, 'delivered');
  }
});

t.test('a message sent in another dialect: told when it happens, and never repeated', async (t) => {
  const { message, sender, receiver } = await fresh(t, pair, 'd-ann', 'd-bob');
  const clock = await pair.say(sender, 'd-bob', 'clock');
  const body = { user_id: 'd-ann', content: 'by another way', type: 'text' };
  const token = await mintToken({ sub: 'd-ann' });
  const url = `${pair.next().url}/api/v1/rooms/${message.chat_id}/messages`;
  const posted = await request<{ id: string }>('POST', url, { body, token });
  t.equal(posted.status, 200, posted.text);
  const other = await heard(receiver, 'by another way');
  t.same(await heard(sender, 'by another way'), other);
  t.match(other, { message_id: posted.body.id, sender_id: 'd-ann', receiver_id: 'd-bob', status: 'sent' });
  receiver.send(receipt(other, 'read'));
  const frame = await told(sender, other, 'read');
  t.same(Object.keys(dataOf(frame)).sort(), RECEIPT_KEYS);
  await loopsEnded([sender], receiver, clock);
  t.equal(tellings(sender, other, 'read'), 1);
  const again = await pair.join('d-ann', { t });
  await told(again, clock, 'read');
  t.equal(tellings(again, other, 'read'), 0);
  t.equal((await pair.history('d-ann', 'd-bob')).at(-1)?.status, 'read');
});

t.test('RECEIPT_RESEND_MS=0: once at each connection, at most the newest 200', async (t) => {
  const never = await startPair(t, { RECEIPT_RESEND_MS: '0' });
  const { message, sender, receiver } = await fresh(t, never, 'z-ann', 'z-bob');
  const sent: ChatMessage[] = [message];
  for (let i = 1; i < 205; i += 1) sender.send(says('z-bob', `m${i}`));
  for (let i = 1; i < 205; i += 1) sent.push(await heard(receiver, `m${i}`));
  for (const one of sent) receiver.send(receipt(one, 'read'));
  for (const one of sent) await told(sender, one, 'read');
  t.equal(framesOf(sender, 'receipt_update').length, 205, 'live all of them');
  const back = await never.join('z-ann', { t });
  await taken(back);
  const ids = framesOf<ChatMessage>(back, 'receipt_update').map(({ message_id }) => message_id);
  t.same(
    ids,
    sent.slice(5).map(({ message_id }) => message_id),
    'the newest, oldest first',
  );

  // The log no longer has the message: its loop can be ended all the same.
  const gone = sent[200] as ChatMessage;
  t.match(await never.redis.ask(`XDEL ${keys.log(1)} 0-201`), /^:1/);
  receiver.send(receipt(gone, 'read'));
  t.same(dataOf(await receiver.nextOf('error')), { detail: 'message not found' });
  back.send(receipt(gone, 'read', true));
  await taken(back);
  t.same(framesOf(back, 'error'), []);
  const last = await never.join('z-ann', { t });
  await taken(last);
  t.equal(tellings(last, gone, 'read'), 0);
  t.equal(framesOf(last, 'receipt_update').length, 199);
});
