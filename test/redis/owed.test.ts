/** Receipts that a user's front end has yet to confirm. */

import t from 'tap';
import { MAX_OWED } from '../../src/core/ports.js';
import { keys } from '../../src/redis/keys.js';
import { redisSide } from '../helpers/hub.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';

t.test(
  'receipts of one millisecond are in the order of their messages, and the first of them goes first',
  async (t) => {
    const server = await startAnyRedis(t);
    const redis = clientOf(t, server);
    const { receipts } = redisSide(t, server);
    const at = String(Date.now() - 1_000).padStart(13, '0');
    // More than Redis keeps in the order in which they came, and with ids of different lengths.
    const ids = Array.from({ length: MAX_OWED }, (_, i) => 3 + 7 * i);
    const backwards = [...ids].reverse().map((id) => [`${id}:read`, `${at} by-${id % 5}`] as const);
    await redis.hset(keys.userReceipts('ann'), Object.fromEntries(backwards));
    const owed = async () => (await receipts.owed('ann')).map(({ messageId }) => messageId);
    t.strictSame(await owed(), ids);
    await receipts.owe('ann', { messageId: 1, status: 'read', by: 'bob' });
    t.strictSame(await owed(), [...ids.slice(1), 1], 'a later one is the last, whatever its message');
    t.strictSame((await receipts.owed('ann')).at(-1), { messageId: 1, status: 'read', by: 'bob' });
  },
);
