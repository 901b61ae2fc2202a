/** Sends while a cluster is yet to say who has which slot: they wait, within bounds. */

import t from 'tap';
import { MAX_QUEUED, MAX_QUEUED_BYTES } from '../../src/redis/lane.js';
import { draftOf } from '../helpers/drafts.js';
import { redisSide } from '../helpers/hub.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { OWN_SERVERS } from '../helpers/topology.js';
import { until } from '../helpers/wait.js';

const MIB = 1024 * 1024;

t.test('sends to a cluster whose slots are unknown', OWN_SERVERS, async (t) => {
  // Alone it has nobody who tells it its address.
  const settings = { 'cluster-announce-ip': '127.0.0.1' };
  const cluster = await startRedisCluster(t, { primaries: 1, settings });
  const known = redisSide(t, cluster);
  const room = await known.rooms.createPublic('a room');
  const draft = (text: string) => draftOf(room, { text });
  const stored = async () => (await known.log.readAfter(room.id, 0, 1_000)).map(({ text }) => text);
  /** A side that has heard nothing of its cluster, and hears nothing until that is resumed. */
  const ignorant = () => {
    for (const server of cluster.servers) server.pause();
    return redisSide(t, cluster);
  };
  const resume = () => {
    for (const server of cluster.servers) server.resume();
  };

  t.test('wait for it, in their order', async (t) => {
    const side = ignorant();
    const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    const sends = texts.map((text) => side.log.append(draft(text)));
    resume();
    t.same(
      (await Promise.all(sends)).map(({ offset }) => offset),
      texts.map((_, i) => i + 1),
    );
    t.same(await stored(), texts);
  });

  for (const [what, room, text] of [
    ['as many as may wait anywhere', MAX_QUEUED, 'one of many'],
    ['as many bytes as may wait anywhere', Math.floor(MAX_QUEUED_BYTES / MIB) - 1, 'x'.repeat(MIB)],
  ] as const) {
    t.test(`but not more than ${what}, and not for ever`, async (t) => {
      const before = await stored();
      const side = ignorant();
      const answers: [number, string][] = [];
      const sends = Array.from({ length: room + 5 }, async (_, i) => {
        await side.log.append(draft(text)).catch(({ code }) => answers.push([i, code]));
      });
      await Promise.all(sends);
      t.equal(answers.length, room + 5, 'every one is answered');
      t.ok(
        answers.every(([, code]) => code === 'unavailable'),
        'as not stored',
      );
      t.same(
        answers.slice(0, 5).map(([i]) => i),
        [0, 1, 2, 3, 4].map((i) => room + i),
        'those beyond the bound before all others',
      );
      resume();
      // Who knew it before may have given its connection up meanwhile.
      t.same(await until('it answers', stored, 20_000), before, 'and nothing of it is stored');
    });
  }
});
