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
});
