/** Whether feeds are in step with their logs: what a hub looks at by itself. */

import t from 'tap';
import type { Room } from '../../src/core/model.js';
import { startWorld } from '../helpers/hub.js';
import { until } from '../helpers/wait.js';

t.test('a subscription made anew: what was lost is found', async (t) => {
  const world = await startWorld(t);

  t.test('also where others of these rooms are of a server that is away', async (t) => {
    const rooms = await Promise.all([1, 2, 3].map(() => world.newRoom()));
    const [, away] = rooms as [Room, Room];
    const unread = await world.newRoom();
    const readers = await Promise.all(rooms.map((room) => world.read(room)));
    const got = () => readers.map(({ sink }) => sink.contents.join());
    world.tamper = () => [];
    for (const room of rooms) await world.append(room, 'lost');
    const heads = world.side.rooms.heads.bind(world.side.rooms);
    let looks = 0;
    world.side.rooms.heads = async (ids) => {
      looks += 1;
      const found = await heads(ids);
      return found.map((head, i) => ([away.id, unread.id].includes(ids[i] as number) ? 'away' : head));
    };
    world.hub.onSubscribed(rooms.map(({ id }) => id));
    await until('the others have it', () => got().filter((said) => said === 'lost').length === 2);
    t.strictSame(got(), ['lost', '', 'lost']);
    await until('it is asked for again', () => looks >= 3);
    t.strictSame(world.lost, [], 'away is not gone');
    await t.rejects(world.hub.open([unread.id]), { code: 'unavailable' }, 'nor is it there for who comes');
    world.side.rooms.heads = heads;
    await until('it has it, too', () => got().every((said) => said === 'lost'));
  });

  t.test('that it takes long to find one away holds up nobody for long', async (t) => {
    const rooms = await Promise.all([1, 2, 3].map(() => world.newRoom()));
    const [here, away, later] = rooms as [Room, Room, Room];
    const readers = await Promise.all(rooms.map((room) => world.read(room)));
    const has = (i: number) => readers[i]?.sink.contents.join() === 'lost';
    world.tamper = () => [];
    for (const room of rooms) await world.append(room, 'lost');
    const heads = world.side.rooms.heads.bind(world.side.rooms);
    let answer = () => {};
    let asked = 0;
    world.side.rooms.heads = async (ids) => {
      const found = await heads(ids);
      if (!ids.includes(away.id)) return found;
      asked += 1;
      // As after the deadline of a command: when the test says so.
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return found.map((head, i) => (ids[i] === away.id ? 'away' : head));
    };
    world.hub.onSubscribed([here.id, away.id]);
    await until('it is asked for', () => asked === 1);
    answer();
    await until('who came with it has it', () => has(0));
    await until('it is asked for again', () => asked === 2);
    // No answer yet; and it is said again of all of them.
    world.hub.onSubscribed([here.id, away.id, later.id]);
    await until('the next one has it', () => has(2));
    t.equal(asked, 2, 'without asking for the one that is away');
    world.side.rooms.heads = heads;
    answer();
    await until('so has it, when its server is back', () => has(1));
  });

  t.test('also when that is said again while they are asked for', async (t) => {
    const room = await world.newRoom();
    const { sink } = await world.read(room);
    const heads = world.side.rooms.heads.bind(world.side.rooms);
    let rounds = 0;
    world.side.rooms.heads = async (ids) => {
      rounds += 1;
      if (rounds === 1) return ids.map(() => 'away' as const);
      const found = await heads(ids);
      if (rounds === 2) {
        // What it has read is no news any more.
        world.tamper = () => [];
        await world.append(room, 'lost');
        world.hub.onSubscribed([room.id]);
      }
      return found;
    };
    world.hub.onSubscribed([room.id]);
    await until('it has it', () => sink.contents.join() === 'lost');
    t.ok(rounds >= 3);
    world.side.rooms.heads = heads;
  });
});
