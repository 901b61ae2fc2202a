/** The load `users`: sockets that carry all chats of a person, against as many sockets of single rooms. */

import { expect, mapAtOnce } from '../stress/http.mjs';
import { figuresOf, told } from './live.mjs';
import { measure } from './measure.mjs';
import { Stack } from './stack.mjs';
import { PARLANCE } from './systems.mjs';
import { cpuSeconds } from './usage.mjs';
import { membersOf, tokenOf } from './workloads.mjs';

const PEOPLE = 1_000;
const CHATS = 20;
const SENDERS = 200;
const AT_ONCE = 32;

/** @typedef {import('./job.mjs').LiveResult} LiveResult */
/** @typedef {{ members: import('./job.mjs').Member[], groups: number }} Crowd */

/**
 * @typedef {object} UsersFigures
 * @property {import('./live.mjs').Figures} users
 * @property {import('./live.mjs').Figures} rooms
 * @property {number} ratio of their CPU seconds
 * @property {number} people
 * @property {number} chats of each
 */

/** @param {import('./live.mjs').Bench} bench @returns {Promise<UsersFigures>} */
export async function runUsers(bench) {
  const { options, say } = bench;
  // The neighbours of a person in the ring are the chats: at least one person more than has a chat.
  const people = Math.max(CHATS + 2, 2 * Math.round((PEOPLE * options.size * (options.quick ? 0.2 : 1)) / 2));
  const senders = Math.max(2, Math.round((people * SENDERS) / PEOPLE));
  const stack = await Stack.start(PARLANCE, { profiles: options.profiles });
  try {
    say(`users: making ${(people * CHATS) / 2} chats ...`);
    const users = await ring(stack, people, senders);
    // What the nodes did so far was another kind of work.
    const warmCpu = options.warmCpu + Math.max(...stack.targets.nodePids.map(cpuSeconds));
    const plan = planOf(options, warmCpu);
    /** @type {LiveResult[]} */
    const ofUsers = [];
    /** @type {LiveResult[]} */
    const ofRooms = [];
    for (let round = 0; round < options.rounds; round += 1) {
      const rooms = await membersOf(stack, { rooms: people / 2, size: 2, senders: 1 });
      for (const member of rooms.members) member.sender &&= member.group < senders;
      const turns = [
        async () => ofUsers.push(await run(bench, stack, { speech: 'skillarena', ...users, plan }, round)),
        async () => ofRooms.push(await run(bench, stack, { speech: 'rooms', ...rooms, plan }, round)),
      ];
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) await turn();
    }
    const figures = { users: figuresOf(ofUsers), rooms: figuresOf(ofRooms) };
    return { ...figures, ratio: figures.users.cpu / figures.rooms.cpu, people, chats: CHATS };
  } finally {
    await stack.stop();
  }
}

/** @param {import('./options.mjs').Options} options @param {number} warmCpu @returns {import('./job.mjs').Plan} */
function planOf({ warmMs, seconds }, warmCpu) {
  return { kind: 'closed', window: 1, rate: 0, sampleEvery: 16, warmMs, warmCpu, measureMs: seconds * 1000 };
}

/**
 * @param {import('./live.mjs').Bench} bench
 * @param {Stack} stack
 * @param {Parameters<typeof measure>[1]} job
 * @param {number} round
 */
async function run(bench, stack, job, round) {
  /** @type {LiveResult} */
  const result = await measure(stack, job);
  return told(bench, `round ${round + 1}, users, ${job.speech} sockets`, result);
}

/**
 * People in a ring: each has a chat with each of the nearest on both sides.
 * @param {Stack} stack
 * @param {number} people
 * @param {number} senders
 * @returns {Promise<Crowd>}
 */
async function ring({ urls }, people, senders) {
  const [url = ''] = urls;
  const all = Array.from({ length: people }, (_, at) => at);
  const nameOf = (/** @type {number} */ at) => `p${at}`;
  await mapAtOnce(all, AT_ONCE, async (at) => {
    const user = nameOf(at);
    await expect('GET', `${url}/api/v1/users/${user}`, { token: await tokenOf(user) });
  });
  const half = CHATS / 2;
  const pairs = all.flatMap((at) => all.slice(0, half).map((by) => ({ at, other: (at + by + 1) % people })));
  await mapAtOnce(pairs, AT_ONCE, async ({ at, other }) => {
    const body = { user_id: nameOf(other) };
    await expect('POST', `${url}/chat/chats/start/`, { token: await tokenOf(nameOf(at)), body });
  });
  const members = await Promise.all(
    all.map(async (at) => ({
      user: nameOf(at),
      token: await tokenOf(nameOf(at)),
      room: '',
      group: at,
      sender: at % Math.floor(people / senders) === 0,
      partners: all
        .slice(0, CHATS)
        .map((by) => (at + people + (by < half ? by + 1 : half - by - 1)) % people),
    })),
  );
  return { members, groups: people };
}
