/**
 * What a fail-over took back, and its node stored again in the same place, is the same message with the same id: nobody
 * is shown it twice.
 */

import t from 'tap';
import type { Room } from '../../src/core/model.js';
import type { Draft } from '../../src/core/ports.js';
import { textFrame } from '../../src/realtime/frame.js';
import { OUTBOX_BYTES, type Session } from '../../src/realtime/session.js';
import { draftOf } from '../helpers/drafts.js';
import { type Sink, startWorld, type World } from '../helpers/hub.js';
import { until } from '../helpers/wait.js';

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => from + i);

async function has(sink: Sink, offsets: number[]): Promise<void> {
  await until(`offsets up to ${offsets.at(-1)}`, () => sink.offsets.length >= offsets.length, 15_000);
}

/** Lets the feed of a room notice that the log has lost its end. */
async function followed(world: World, room: Room): Promise<void> {
  const rollbacks = world.rollbacks.length;
  world.hub.onSubscribed([room.id]);
  await until('the rollback', () => world.rollbacks.length > rollbacks);
  world.rollbacks.length = rollbacks;
}

/** Has a socket take nothing until its sink is drained. */
async function stall(sink: Sink, session: Session): Promise<void> {
  // That what it got last was taken is told at the end of a turn, and would end the stall.
  await new Promise((resolve) => setImmediate(resolve));
  sink.full = true;
  session.push(textFrame(JSON.stringify({ filling: 'x'.repeat(OUTBOX_BYTES) })));
}

t.test('what is stored again is not shown again', async (t) => {
  const world = await startWorld(t);

  t.test('to whoever was shown it', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    await world.appendMany(room, 1, 3);
    const [fourth, fifth] = ['4', '5'].map((text) => draftOf(room, { sender: 'writer', text }));
    for (const draft of [fourth, fifth]) await world.side.log.append(draft as Draft);
    await has(sink, upTo(5));
    await world.forget(room, 3);
    await followed(world, room);
    const late = await world.read(room);
    await world.side.log.append(fourth as Draft);
    await world.append(room, '5b');
    await world.side.log.append(fifth as Draft);
    await until('the newest', () => late.sink.offsets.includes(6) && sink.offsets.includes(6));
    t.strictSame(
      sink.contents,
      ['1', '2', '3', '4', '5', '5b', '5'],
      'whoever was shown it is not shown it again',
    );
    t.strictSame(late.sink.contents, ['1', '2', '3', '4', '5b', '5'], 'whoever came in between is');
  });

  t.test('to a slow reader', async (t) => {
    const room = await world.newRoom();
    const { sink, session, feed } = await world.read(room);
    const ahead = await world.read(room);
    await world.appendMany(room, 1, 3);
    const drafts = ['4', '5', '6'].map((text) => draftOf(room, { sender: 'writer', text }));
    for (const draft of drafts.slice(0, 2)) await world.side.log.append(draft);
    await has(sink, upTo(5));
    await stall(sink, session);
    await world.side.log.append(drafts[2] as Draft);
    await has(ahead.sink, upTo(6));
    t.equal(session.positionIn(feed)?.offset, 5);
    await world.forget(room, 3);
    await followed(world, room);
    for (const draft of drafts) await world.side.log.append(draft);
    await world.append(room, '7');
    await until('the feed has them', () => feed.head.offset === 7);
    sink.full = false;
    sink.drain();
    await has(sink, upTo(7));
    await has(ahead.sink, upTo(7));
    t.strictSame(sink.contents, upTo(7).map(String), 'what it had not been shown is not missing');
    t.strictSame(ahead.sink.contents, upTo(7).map(String));
  });

  t.test('to a reader that awaits what it sent itself', async (t) => {
    const room = await world.newRoom();
    const { sink, session, feed } = await world.read(room);
    await world.appendMany(room, 1, 3);
    const drafts = ['4', '5'].map((text) => draftOf(room, { sender: 'writer', text }));
    for (const draft of drafts) await world.side.log.append(draft);
    await has(sink, upTo(5));
    await world.forget(room, 3);
    await followed(world, room);
    const own = draftOf(room, { sender: 'reader', text: 'own' });
    let decide = () => {};
    const undecided = new Promise<void>((resolve) => {
      decide = resolve;
    });
    session.expect(own.nonce, undefined, undecided);
    const stored = await Promise.all([...drafts, own].map((draft) => world.side.log.append(draft)));
    await until('it is behind', () => session.positionIn(feed) !== undefined);
    session.decided(own.nonce, stored.at(-1)?.offset);
    decide();
    await until('its own', () => sink.contents.includes('own'));
    t.strictSame(sink.contents, ['1', '2', '3', '4', '5', 'own']);
  });

  t.test('after a second fail-over that came before all was stored again', async (t) => {
    const room = await world.newRoom();
    const { sink, feed } = await world.read(room);
    await world.appendMany(room, 1, 3);
    const drafts = ['4', '5', '6'].map((text) => draftOf(room, { sender: 'writer', text }));
    for (const draft of drafts) await world.side.log.append(draft);
    await has(sink, upTo(6));
    await world.forget(room, 3);
    await followed(world, room);
    const late = await world.read(room);
    await world.side.log.append(drafts[0] as Draft);
    await world.append(room, '5b');
    await has(late.sink, upTo(5));
    await world.forget(room, 3);
    await followed(world, room);
    for (const draft of drafts) await world.side.log.append(draft);
    const shown = () => late.sink.contents.includes('6') && sink.contents.length >= 8;
    await until('the newest', () => feed.head.offset === 6 && shown());
    t.strictSame(late.sink.contents, ['1', '2', '3', '4', '5b', '5', '6']);
    t.strictSame(
      sink.contents,
      ['1', '2', '3', '4', '5', '6', '5b', '5'],
      'only where another one had taken its place it is shown anew',
    );
  });

  t.test('to a reader of pages', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 450);
    const drafts = upTo(520, 451).map((n) => draftOf(room, { sender: 'writer', text: String(n) }));
    await Promise.all(drafts.map((draft) => world.side.log.append(draft)));
    await has(other, upTo(520));
    feed.tail.clear(); // so that the log is read
    let reads = 0;
    world.afterRead = async () => {
      reads += 1;
      if (reads !== 2) return; // a page holds 500
      await world.forget(room, 450);
      await followed(world, room);
      await Promise.all(drafts.map((draft) => world.side.log.append(draft)));
      await until('the feed has them again', () => feed.head.offset === 520);
    };
    const { sink } = await world.read(room, { from: 'since', since: { offset: 0, nonce: undefined } });
    world.afterRead = async () => undefined;
    await has(sink, upTo(520));
    t.strictSame(sink.offsets, upTo(520));
    t.strictSame(other.offsets, upTo(520));
  });

  t.test('but a reader that was being placed meanwhile is shown it', async (t) => {
    const room = await world.newRoom();
    const { sink: other, feed } = await world.read(room);
    await world.appendMany(room, 1, 3);
    const fourth = draftOf(room, { sender: 'writer', text: '4' });
    await world.side.log.append(fourth);
    await has(other, upTo(4));
    feed.tail.clear(); // so that the log is read
    let first = true;
    world.afterRead = async () => {
      if (!first) return;
      first = false;
      await world.forget(room, 3);
      await followed(world, room);
    };
    const { sink } = await world.read(room);
    world.afterRead = async () => undefined;
    await world.side.log.append(fourth);
    await world.append(room, '5');
    await until('the newest', () => [sink, other].every(({ contents }) => contents.includes('5')));
    t.strictSame(sink.contents, upTo(5).map(String));
    t.strictSame(other.contents, upTo(5).map(String));
  });
});
