import t from 'tap';
import { createRoom, faultsIn, history, repeatsIn, startNodes } from '../helpers/chat.js';
import { keepTalking, Member } from '../helpers/member.js';
import { isReady, type TestNode } from '../helpers/node.js';
import { startAnyRedis } from '../helpers/topology.js';
import { sleep, until } from '../helpers/wait.js';

/** The lease, one renewal, and the cleaning up: what a dead node's people may go on being shown. */
const LEFT_WITHIN_MS = 20_000;

t.test('one of three nodes killed under load', async (t) => {
  const redis = await startAnyRedis(t);
  const nodes = await startNodes(t, 3, { ...redis.env });
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
  const rooms = [await createRoom(a), await createRoom(a)];
  const join = (room: string, user: string, first: number, returns: boolean, label = user) => {
    const own = nodes[first] as TestNode;
    return Member.join(t, { nodes: returns ? [own, b, c] : [own], room, user, label, returns });
  };

  const stayers: Member[] = [];
  const gone: Member[] = [];
  const movers: Member[] = [];
  for (const room of rooms) {
    stayers.push(await join(room, 'stays-b', 1, true), await join(room, 'stays-c', 2, true));
    gone.push(await join(room, 'gone-1', 0, false), await join(room, 'gone-2', 0, false));
    // A second socket of somebody who is also elsewhere is no departure.
    gone.push(await join(room, 'stays-c', 0, false, 'stays-c elsewhere'));
    movers.push(await join(room, 'moves', 0, true));
  }
  const everyone = [...stayers, ...gone, ...movers];
  const talk = keepTalking(everyone);
  await until('it flows', () => everyone.every(({ acknowledged }) => acknowledged.size >= 20));

  // In the middle of things: sends are under way.
  await a.kill9();
  const killedAt = performance.now();
  const leftOf = (member: Member) => member.announced.filter((one) => one.includes('left'));
  await until('the movers are back', () => movers.every((one) => one.open && one.closes.length === 1));
  const before = stayers.map(({ acknowledged }) => acknowledged.size);
  await until('the others go on', () =>
    stayers.every(({ acknowledged }, i) => acknowledged.size >= (before[i] as number) + 20),
  );

  await until('both are shown as gone', () => stayers.every((one) => leftOf(one).length >= 2), 40_000);
  const took = performance.now() - killedAt;
  t.ok(took < LEFT_WITHIN_MS, `${Math.round(took)} ms after the kill`);
  // Both survivors had the chance to do it: a repeat would come now.
  await sleep(4_000);
  for (const one of stayers) {
    t.strictSame(
      leftOf(one).sort(),
      ['User gone-1 left the chat', 'User gone-2 left the chat'],
      'each once, and nobody else',
    );
  }
  for (const one of movers) t.strictSame(leftOf(one).length, 2, 'who moved heard of it too');

  const sent = await talk.stop();
  const living = [...stayers, ...movers];
  for (const room of rooms) {
    // What is acknowledged while the history is read may be missing in it.
    const acknowledged = everyone
      .filter((one) => one.room === room)
      .flatMap((one) => [...one.acknowledged.keys()]);
    const log = await history(b, room);
    t.strictSame(faultsIn(log, 1), [], 'the log is dense');
    const stored = log.map(({ content }) => content);
    t.strictSame(repeatsIn(stored), [], 'nothing is stored twice');
    t.strictSame(
      acknowledged.filter((content) => !stored.includes(content)),
      [],
      'nothing echoed is missing',
    );
    await until('all have it', () => living.every((one) => one.room !== room || one.last >= log.length));
  }
  t.strictSame(
    everyone.flatMap(({ faults }) => faults),
    [],
    'no hole, no repeat, for those who moved as well',
  );
  t.equal(
    everyone.reduce((sum, { resets }) => sum + resets, 0),
    0,
  );
  t.ok(
    stayers.every(({ closes }) => closes.length === 0),
    'nobody else was cut off',
  );
  t.ok((await isReady(b.url)) && (await isReady(c.url)));
  t.comment(`${sent.length} sent, left after ${Math.round(took)} ms`);
});

t.test('somebody who is cut off', async (t) => {
  const redis = await startAnyRedis(t);
  const nodes = await startNodes(t, 2, { ...redis.env });
  const [a, b] = nodes as [TestNode, TestNode];
  const room = await createRoom(a);
  const witness = await Member.join(t, { nodes: [b], room, user: 'witness' });
  const back = await Member.join(t, { nodes: [a, b], room, user: 'back' });
  const same = await Member.join(t, { nodes: [a], room, user: 'same' });
  const away = await Member.join(t, { nodes: [a], room, user: 'away', returns: false });
  const polite = await Member.join(t, { nodes: [a], room, user: 'polite' });
  await until('all are announced', () => witness.announced.length === 4);

  back.cut();
  same.cut();
  away.cut();
  await polite.leave();
  // Whoever was cut off is awaited for ten seconds.
  await until('a clean close counts at once', () => witness.announced.length >= 5, 9_000);
  await until('they are back', () => back.open && same.open);
  await until('who stays away is shown as gone', () => witness.announced.length >= 6, 30_000);
  await sleep(2_000);
  t.strictSame(
    witness.announced.slice(4),
    ['User polite left the chat', 'User away left the chat'],
    'who is back within ten seconds never left, here or there, and did not join again',
  );
});
