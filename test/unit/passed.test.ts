/** Sends whose messages never come through the room: a socket is to be told of each all the same. */

import t from 'tap';
import type { Message, Room } from '../../src/core/model.js';
import type { Session } from '../../src/realtime/session.js';
import { keys } from '../../src/redis/keys.js';
import { draftOf } from '../helpers/drafts.js';
import { startWorld } from '../helpers/hub.js';
import { until } from '../helpers/wait.js';

t.test('a send that was stored, and that its socket does not meet', async (t) => {
  const world = await startWorld(t);

  /** Sends for a socket, unheard by it. */
  const send = async (session: Session, room: Room, ref: string): Promise<Message> => {
    const draft = draftOf(room, { text: ref });
    session.expect(draft.nonce, ref, undefined);
    world.tamper = () => [];
    const { offset, createdMs } = await world.side.log.append(draft);
    const { nonce, sender, text, attachments, via } = draft;
    const message = { room: room.id, offset, nonce, sender, text, attachments, createdMs, via };
    session.decided(nonce, message);
    return message;
  };

  t.test('is answered when a bounded history dropped it', async (t) => {
    const room = await world.newRoom();
    const { session, sink, feed } = await world.read(room);
    const message = await send(session, room, 'mine');
    t.same(session.takePassed(), [], 'it may still come');
    await world.redis.xdel(keys.log(room.id), `0-${message.offset}`);
    world.tamper = (events) => events;
    await world.append(room, 'later');
    await until('the reader is past it', () => feed.head.offset > message.offset);
    t.match(session.takePassed(), [{ message, room: { id: room.id }, ref: 'mine', lost: false }]);
    t.same(session.takePassed(), [], 'once');
    await until('and reads on', () => sink.contents.includes('later'));
  });

  t.test('is in doubt when a fail-over put another one in its place', async (t) => {
    const room = await world.newRoom();
    const { session, feed } = await world.read(room);
    const message = await send(session, room, 'mine');
    await world.forget(room, message.offset - 1);
    world.tamper = (events) => events;
    await world.append(room, 'another');
    await until('the other one is read', () => feed.head.offset === message.offset);
    t.match(session.takePassed(), [{ message, ref: 'mine', lost: true }]);
  });

  t.test('is none of those that are met', async (t) => {
    const room = await world.newRoom();
    const { session, sink } = await world.read(room);
    const message = await send(session, room, 'mine');
    world.tamper = (events) => events;
    await world.append(room, 'later');
    await until('both are read', () => sink.offsets.length === 2);
    t.equal(sink.frames.find(({ ref }) => ref === 'mine')?.content, message.text);
    t.same(session.takePassed(), []);
  });
});
