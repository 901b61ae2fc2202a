import fc from 'fast-check';
import t from 'tap';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  addressOf,
  CloseCode,
  claimsOf,
  type DialectName,
  plainId,
  roomUuid,
  waitAfter,
} from '../../src/client/index.js';
import { Pacer } from '../../src/client/pacer.js';
import { CloseCode as served } from '../../src/core/errors.js';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { clientOf, hear } from '../helpers/client.js';
import { type Owner, sleep, until } from '../helpers/wait.js';

t.test('ids of the client are those of the service', async (t) => {
  const number = fc.integer({ min: 0, max: 90_000_000 });
  fc.assert(
    fc.property(number, number, (room, offset) => {
      const id = foldMessageId(room, offset);
      t.same(addressOf(String(id)), { room: String(room), offset });
      t.equal(plainId(formatUuid('message', id)), String(id));
      t.equal(roomUuid(String(room)), formatUuid('room', room));
    }),
  );
  for (const id of ['ada', '{}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '']) t.equal(plainId(id), id);
  t.throws(() => addressOf('ada'), TypeError);
});

t.test('close codes of the client are those of the service', async (t) => {
  t.same(CloseCode, served);
});

t.test('waits', async (t) => {
  t.ok(waitAfter(CloseCode.restart, 0, 1) <= 500, 'a node that restarts: at once, and not all together');
  t.equal(waitAfter(CloseCode.restart, 0, 0), 0);
  const most = [0, 1, 2, 3, 20].map((failures) => waitAfter(1006, failures, 1));
  t.same(
    [...most].sort((a, b) => a - b),
    most,
    'longer with each failure',
  );
  t.equal(most.at(-1), 15_000, 'up to a bound');
  t.equal(waitAfter(1006, 20, 0), 0, 'and anywhere below it');
  for (const [code, least] of [
    [CloseCode.goingAway, 1_000],
    [CloseCode.tryLater, 2_000],
    [CloseCode.tooMany, 5_000],
  ] as const) {
    t.equal(waitAfter(code, 0, 0), least, `${code}: not before that`);
  }
});

t.test('claims of what is no token', async (t) => {
  for (const token of ['', 'a.b.c', 'a.bnVsbA.c', '....']) t.same(claimsOf(token), {});
  t.same(claimsOf(`a.${Buffer.from('{"sub":"ä"}').toString('base64url')}.c`), { sub: 'ä' });
});

/** A service that says nothing by itself: what comes when is for the test to decide. */
async function startSilent(t: Owner) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());
  const sockets: {
    since: string | null;
    say: (frame: object) => void;
    cut: () => void;
    heard: Record<string, unknown>[];
  }[] = [];
  server.on('connection', (socket: WebSocket, { url = '' }) => {
    const since = new URL(url, 'ws://localhost').searchParams.get('since');
    const say = (frame: object) => socket.send(JSON.stringify(frame));
    const heard: Record<string, unknown>[] = [];
    socket.on('message', (bytes) => heard.push(JSON.parse(bytes.toString()) as Record<string, unknown>));
    sockets.push({ since, say, cut: () => socket.terminate(), heard });
  });
  const { port } = server.address() as { port: number };
  const socket = (n: number) => until(`connection ${n}`, () => sockets[n - 1]);
  return { url: `http://127.0.0.1:${port}`, socket };
}

const ROOM = 7;

/** A message as rooms sockets get it. */
function frameOf(offset: number, content: string, more: object = {}) {
  const id = String(foldMessageId(ROOM, offset));
  return { type: 'text', id, user_id: 'grace', content, created_at: '2026-01-01T00:00:00Z', ...more };
}

/** A channel to a service that says nothing by itself, and a list of all that it tells. */
async function follow(t: Owner, dialect: DialectName = 'rooms') {
  const service = await startSilent(t);
  const { channel } = hear(await (await clientOf(t, service.url, 'ada')).open(dialect, String(ROOM)));
  const told: string[] = [];
  channel.on('message', ({ offset, text }, own) => told.push(`${offset} ${text}${own ? ' (own)' : ''}`));
  channel.on('reset', () => told.push('reset'));
  channel.on('ready', () => told.push('ready'));
  const tells = (count: number) => until(`${count} are told: ${told.join()}`, () => told.length >= count);
  return { service, channel, told, tells };
}

t.test('what a fail-over put in the places of told messages is told by a resume', async (t) => {
  const { service, told, tells } = await follow(t);
  const first = await service.socket(1);
  first.say({ type: 'cursor', cursor: '5.abc' });
  for (const offset of [6, 7, 8]) first.say(frameOf(offset, 'old'));
  await tells(4);
  first.cut();
  const second = await service.socket(2);
  t.equal(second.since, '5.abc');
  // The first of them was kept.
  for (const text of [frameOf(6, 'old'), frameOf(7, 'new')]) second.say(text);
  second.say({ type: 'cursor', cursor: '7.def' });
  second.say(frameOf(8, 'new'));
  await tells(7);
  second.cut();
  const third = await service.socket(3);
  for (const offset of [7, 8, 9]) third.say(frameOf(offset, 'new'));
  await tells(8);
  t.strictSame(told, ['ready', '6 old', '7 old', '8 old', '7 new', 'ready', '8 new', '9 new']);
});

t.test('an own message is told in the place of one that a fail-over lost, and once', async (t) => {
  const { service, channel, told, tells } = await follow(t);
  const { say } = await service.socket(1);
  say({ type: 'cursor', cursor: '5.abc' });
  for (const offset of [6, 7, 8]) say(frameOf(offset, 'old'));
  await tells(4);
  const own = frameOf(7, 'mine', { user_id: 'ada', ref: 'key' });
  const sent = channel.send({ text: 'mine' }, 'key');
  say(own);
  t.equal((await sent).offset, 7);
  const again = channel.send({ text: 'mine' }, 'key');
  say(own);
  t.equal((await again).offset, 7, 'the same key once more: the same message');
  say(frameOf(8, 'new'));
  await tells(6);
  t.strictSame(told, ['ready', '6 old', '7 old', '8 old', '7 mine (own)', '8 new']);
});

t.test('without a place to resume from it starts over, once anything was told', async (t) => {
  const { service, told, tells } = await follow(t);
  (await service.socket(1)).cut();
  const first = await service.socket(2);
  first.say({ type: 'cursor', cursor: '5.abc' });
  first.say(frameOf(6, 'shown'));
  await tells(2);
  first.cut();
  const second = await service.socket(3);
  second.say({ type: 'reset' });
  second.say(frameOf(7, 'shown'));
  await tells(4);
  second.cut();
  const third = await service.socket(4);
  t.equal(third.since, null);
  third.say(frameOf(100, 'new'));
  third.say({ type: 'cursor', cursor: '100.def' });
  await tells(7);
  t.strictSame(told, ['ready', '6 shown', 'reset', '7 shown', 'reset', '100 new', 'ready']);
});

t.test('a receipt that the service cannot take is reported again', async (t) => {
  for (const [dialect, isReport, errorOf] of [
    ['skillarena', { type: 'receipt_update' }, (data: object) => ({ type: 'error', data })],
    [
      'netrox',
      { action: 'message_seen' },
      ({ detail, ref }: { detail: string; ref: unknown }) => ({ action: 'error', message: detail, ref }),
    ],
  ] as const) {
    const { service, channel } = await follow(t, dialect);
    const refused: string[] = [];
    channel.on('refused', (detail) => refused.push(detail));
    const { say, heard } = await service.socket(1);
    const answer = () => say({ type: 'cursor', action: 'cursor', cursor: 'u1.x' });
    answer();
    await until('it is live', () => channel.live);
    const [[name, value] = ['', '']] = Object.entries(isReport);
    const reports = () => heard.filter((frame) => frame[name] === value);
    const refs = () =>
      reports().map((frame) => (frame.data as { ref?: string } | undefined)?.ref ?? frame.ref);
    const asked = () => heard.filter((frame) => frame.type === 'cursor' || frame.action === 'cursor').length;

    t.ok(channel.report('11', 'read'));
    t.ok(channel.report('12', 'read'));
    await until('both are reported', () => reports().length === 2);
    t.strictSame(refs(), ['11 read', '12 read'], dialect);
    await until('it asks whether they have arrived', () => asked() === 2);
    say(errorOf({ detail: 'the service is temporarily unavailable', ref: '12 read' }));
    say(errorOf({ detail: 'this may or may not have been stored; repeat it', ref: '11 read' }));
    answer();
    await until('both are reported again', () => reports().length === 4);
    t.strictSame(refs().slice(2).sort(), ['11 read', '12 read']);
    await until('it asks again', () => asked() === 3);
    say(errorOf({ detail: 'too many messages', ref: '12 read' }));
    await until('the one that was refused is reported once more', () => reports().length === 5);
    t.equal(refs().at(-1), '12 read');
    t.strictSame(refused, [], 'nobody is told of what passes');

    say(errorOf({ detail: 'no such message', ref: '12 read' }));
    await until('what does not pass is told', () => refused.length === 1);
    answer();
    await until('it asks for the last time', () => asked() === 4);
    answer();
    await sleep(2_500); // longer than the next time would take
    t.equal(reports().length, 5, 'and not said again');
    channel.close();
  }
});

t.test('frames go on leaving when the clock is set back', async (t) => {
  const { now } = Date;
  t.teardown(() => {
    Date.now = now;
  });
  let left = 0;
  const pacer = new Pacer(() => {
    left += 1;
    return true;
  });
  t.teardown(() => pacer.clear());
  const frames = 140;
  for (let i = 0; i < frames; i += 1) pacer.push('frame');
  t.ok(left < frames, 'not all at once');
  Date.now = () => now() - 3_600_000;
  await until('all have left', () => left === frames, 20_000);
});
