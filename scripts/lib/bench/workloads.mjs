/** The loads that all systems are put under, and what Parlance is to reach in them. */

import { expect, mapAtOnce } from '../stress/http.mjs';
import { mintToken } from '../token.mjs';
import { SECRET } from './systems.mjs';

const AT_ONCE = 32;

/**
 * @typedef {object} Shape
 * @property {number} rooms
 * @property {number} size members of each
 * @property {number} senders in each
 */

/**
 * @typedef {Shape & { window: number, rate: number, sampleEvery: number, title: string, goal: number }} Workload
 * `goal`: at least so many times the peer's deliveries for each CPU second
 */

/** @type {Record<string, Workload>} */
export const LIVE = {
  pairs: {
    ...{ rooms: 200, size: 2, senders: 2, window: 1, rate: 0, sampleEvery: 16, goal: 2.5 },
    title: 'pairs: 200 rooms of 2, both send',
  },
  room: {
    ...{ rooms: 1, size: 500, senders: 20, window: 1, rate: 0, sampleEvery: 64, goal: 3 },
    title: 'room: one of 500, 20 send',
  },
  many: {
    ...{ rooms: 50, size: 20, senders: 1, window: 1, rate: 0, sampleEvery: 16, goal: 1.8 },
    title: 'many: 50 rooms of 20, one sends in each',
  },
  busy: {
    ...{ rooms: 20, size: 50, senders: 5, window: 2, rate: 0, sampleEvery: 64, goal: 4 },
    title: 'busy: 20 rooms of 50, five send in each, two messages under way',
  },
  fixed: {
    ...{ rooms: 50, size: 20, senders: 1, window: 0, rate: 500, sampleEvery: 1, goal: 1.3 },
    title: 'fixed: 50 rooms of 20, 500 messages = 10,000 deliveries a second',
  },
};

/** @param {Workload} workload @param {number} factor @returns {Workload} */
export function resized(workload, factor) {
  const times = (/** @type {number} */ n) => Math.max(2, Math.round(n * factor));
  const { rooms, size, senders, rate } = workload;
  const shape = rooms === 1 ? { size: times(size) } : { rooms: times(rooms) };
  return {
    ...workload,
    ...shape,
    senders: Math.min(senders, shape.size ?? size),
    rate: rate === 0 ? 0 : times(rate),
  };
}

/** @type {Map<string, Promise<string>>} */
const tokens = new Map();

/** @param {string} user */
export function tokenOf(user) {
  const token = tokens.get(user) ?? mintToken({ JWT_SECRET: SECRET }, user);
  tokens.set(user, token);
  return token;
}

/**
 * The sockets of a load, in rooms that are new.
 * @param {import('./stack.mjs').Stack} stack
 * @param {Shape} shape
 * @returns {Promise<{ members: import('./job.mjs').Member[], groups: number }>}
 */
export async function membersOf({ system, urls }, { rooms, size, senders }) {
  const [url = ''] = urls;
  const token = system.tokens ? await tokenOf('u0') : '';
  const numbers = Array.from({ length: rooms }, (_, at) => at);
  const ids = await mapAtOnce(numbers, AT_ONCE, async (at) => {
    if (!system.tokens) return `r${performance.now()}-${at}`;
    return String((await expect('POST', `${url}/api/v1/rooms`, { token, body: { name: 'bench' } })).id);
  });
  /** @type {import('./job.mjs').Member[]} */
  const members = [];
  for (const [group, room] of ids.entries()) {
    for (let i = 0; i < size; i += 1) {
      const user = `u${members.length}`;
      // Not the first ones everywhere: they would all be on the same node.
      const sender = (i - group + size * rooms) % size < senders;
      members.push({ user, token: system.tokens ? await tokenOf(user) : '', room, group, sender });
    }
  }
  return { members, groups: rooms };
}
