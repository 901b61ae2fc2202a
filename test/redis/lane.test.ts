/** One connection for appends: what waits for it, and what goes over it. */

import { Redis } from 'ioredis';
import t from 'tap';
import type { Room } from '../../src/core/model.js';
import type { PendingAppend } from '../../src/redis/batch.js';
import { AppendLane, SEND_DEADLINE_MS } from '../../src/redis/lane.js';
import { draftOf } from '../helpers/drafts.js';
import { until } from '../helpers/wait.js';

const NOBODY: Room = { id: 1, kind: 'public', name: '', participants: [], createdMs: 1 };

t.test('what was routed anew is answered in time, behind whatever it stands', async (t) => {
  const nothing = () => undefined;
  const redis = new Redis({ lazyConnect: true });
  const lane = new AppendLane(redis, 'test', {
    keepMessages: 0,
    onePartition: false,
    confirm: undefined,
    onMissing: nothing,
    log: { info: nothing, warn: nothing, error: nothing },
  });
  t.teardown(() => lane.retire());
  const push = (since: number): PendingAppend => {
    const item = { since, bytes: 1, join: false, open: true, draft: draftOf(NOBODY) };
    const pending = { ...item, resolve: nothing, reject: nothing };
    lane.push(pending);
    return pending;
  };
  const young = push(performance.now());
  const old = push(performance.now() - SEND_DEADLINE_MS);
  await until('the old one is answered', () => !old.open);
  t.ok(young.open, 'the other one still waits');
});
