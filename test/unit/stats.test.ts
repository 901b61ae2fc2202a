/** What is retried in silence, and what is told. */

import t from 'tap';
import { ChatError } from '../../src/core/errors.js';
import { realtimeStats, reportFault } from '../../src/realtime/stats.js';

t.test('a fault of ours is told, a Redis that is away is not', async (t) => {
  const stats = realtimeStats();
  const told: unknown[] = [];
  stats.onFault = (error) => told.push(error);
  const fault = new TypeError('not a function');
  const broken = new ChatError('internal', 'log and tip disagree');
  for (const error of [fault, new ChatError('unavailable', 'away'), broken]) reportFault(stats, error);
  t.strictSame(told, [fault, broken]);
});
