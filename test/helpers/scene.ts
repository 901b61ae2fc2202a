/** Two nodes over a Redis that things happen to, with people talking in three rooms, and the final account. */

import type { Test } from 'tap';
import { createRoom, faultsIn, history, repeatsIn, startNodes } from './chat.js';
import { Member } from './member.js';
import type { TestNode } from './node.js';
import type { RedisPlace } from './redis.js';
import { type Owner, until } from './wait.js';

export interface Scene {
  nodes: TestNode[];
  rooms: string[];
  members: Member[];
}

/** Two nodes, three rooms, four people in each over both nodes; nobody comes back who is cut off. */
export async function scene(t: Owner, redis: Pick<RedisPlace, 'env'>): Promise<Scene> {
  const nodes = await startNodes(t, 2, redis.env);
  const rooms: string[] = [];
  for (let i = 0; i < 3; i += 1) rooms.push(await createRoom(nodes[0] as TestNode));
  const members = await Promise.all(
    rooms.flatMap((room) =>
      [0, 1, 2, 3].map((i) => Member.join(t, { nodes, room, user: `user-${i}`, first: i, returns: false })),
    ),
  );
  return { nodes, rooms, members };
}

export function say(members: readonly Member[], contents: readonly string[]): void {
  members.forEach((one, i) => {
    one.send(contents[i] as string);
  });
}

/** Every member has what was stored, once and in order; what was acknowledged is stored; nothing is stored twice. */
export async function settle(t: Test, { nodes, rooms, members }: Scene, sent: string[]): Promise<void> {
  const stored = new Map<string, string[]>();
  for (const room of rooms) {
    const log = await history(nodes[0] as TestNode, room);
    t.strictSame(faultsIn(log, 1), [], `the log of room ${room} is dense`);
    stored.set(
      room,
      log.map(({ content }) => content),
    );
  }
  await until(
    'everybody has the newest message',
    () => members.every((one) => one.last >= (stored.get(one.room)?.length ?? 0)),
    20_000,
  );
  t.strictSame(
    members.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat',
  );
  t.equal(
    members.reduce((sum, { resets }) => sum + resets, 0),
    0,
    'nobody had to start over',
  );
  t.ok(
    members.every(({ open }) => open),
    'nobody had to reconnect',
  );
  t.strictSame(repeatsIn([...stored.values()].flat()), [], 'nothing is stored twice');
  const all = new Set([...stored.values()].flat());
  const acknowledged = members.flatMap((one) => [...one.acknowledged.keys()]);
  t.strictSame(
    acknowledged.filter((content) => !all.has(content)),
    [],
    'nothing acknowledged is lost',
  );
  const refused = new Map(members.flatMap((one) => [...one.refused]));
  const silent = sent.filter((content) => !refused.has(content) && !acknowledged.includes(content));
  t.strictSame(silent, [], 'every send was acknowledged or refused');
  const certain = [...refused].filter(([content, why]) => !/may or may not/.test(why) && all.has(content));
  t.strictSame(certain, [], 'what was said not to be stored is not stored');
  t.comment(
    `${sent.length} sent, ${acknowledged.length} acknowledged, ${refused.size} refused, ${all.size} stored`,
  );
}
