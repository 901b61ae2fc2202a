/** What befalls the connections of nodes to their Redis, on purpose. */

import type { Fate, Passage, RedisProxy } from './proxy.js';
import { rng } from './rng.js';

/** How often the connection that appends broke, in each of the ways it can. */
export interface Cuts {
  /** Redis had the call, and its answer is lost. */
  answer: number;
  /** Redis never got the call. */
  call: number;
  /** Redis gets the call after the connection is gone. */
  late: number;
  /** While what happened before is being cleared up. */
  anything: number;
}

const WAYS = ['late', 'answer', 'call', 'answer'] as const;

/** Breaks the connection that appends at every eighth call, and now and then at any other answer. */
export function breakAppends(proxies: readonly RedisProxy[], seed: number): Cuts {
  const random = rng(seed);
  const cuts: Cuts = { answer: 0, call: 0, late: 0, anything: 0 };
  const doomed = new WeakSet<object>();
  let calls = 0;
  const rule = (passage: Passage, to: 'redis' | 'client', data: Buffer): Fate => {
    if (passage.role !== 'appends') return 'pass';
    if (to === 'client') {
      if (doomed.has(passage)) return 'cut';
      if (random.int(60) > 0) return 'pass';
      cuts.anything += 1;
      return 'cut';
    }
    if (!/evalsha/i.test(data.toString('latin1'))) return 'pass';
    calls += 1;
    if (calls % 8 > 0) return 'pass';
    const way = WAYS[(calls / 8) % WAYS.length] as (typeof WAYS)[number];
    cuts[way] += 1;
    if (way === 'answer') doomed.add(passage);
    return way === 'late' ? 'late' : way === 'call' ? 'cut' : 'pass';
  };
  for (const proxy of proxies) proxy.rule = rule;
  return cuts;
}

/** Swallows all traffic of the connections of one role, and perhaps of one node, that are open now; new ones work. */
export function deafen(proxies: readonly RedisProxy[], role: string, node = ''): { swallowed: () => number } {
  const open = proxies.flatMap((proxy) => [...proxy.open]);
  const dead = new Set(open.filter((passage) => passage.role === role && passage.node?.startsWith(node)));
  let swallowed = 0;
  for (const proxy of proxies) {
    proxy.rule = (passage) => {
      if (!dead.has(passage)) return 'pass';
      swallowed += 1;
      return 'swallow';
    };
  }
  return { swallowed: () => swallowed };
}
