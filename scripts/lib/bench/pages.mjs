/** The load `history`: a page costs the same however long the room is. */

import { expect, mapAtOnce } from '../stress/http.mjs';
import { built, fillRoom, openRedis } from './fill.mjs';
import { rotated } from './live.mjs';
import { Stack } from './stack.mjs';
import { PARLANCE } from './systems.mjs';
import { cpuSeconds, median, sum } from './usage.mjs';
import { tokenOf } from './workloads.mjs';

const SHORT = 10;
const LONG = 10_000;
const LONGEST = 1_000_000;
const PAGE = 50;
const AT_ONCE = 4;
/** Requests between two looks at the clock. */
const BURST = 20;

/**
 * @typedef {object} PageFigures medians of the rounds
 * @property {number} messages in the room
 * @property {string} page
 * @property {number} limit messages of the page
 * @property {number} cpuMs of nodes and Redis for each page
 * @property {number} ms until it is there
 */

/**
 * @typedef {object} HistoryFigures
 * @property {PageFigures[]} pages
 * @property {number} growth CPU of a page of 10 in the longest room, as a multiple of that in the room of 10
 */

/** @param {import('./live.mjs').Bench} bench @returns {Promise<HistoryFigures>} */
export async function runHistory({ options, say }) {
  const factor = options.size * (options.quick ? 0.1 : 1);
  const sizes = [
    SHORT,
    Math.max(200, Math.round(LONG * factor)),
    Math.max(400, Math.round(LONGEST * factor)),
  ];
  const stack = await Stack.start(PARLANCE, { profiles: options.profiles });
  try {
    say(`history: filling rooms of ${sizes.join(', ')} messages ...`);
    const targets = await targetsOf(stack, sizes);
    await readFor(stack, targets, options.warmMs);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const target of rotated(targets, round)) {
        const { cpuMs, ms } = await readFor(stack, [target], options.seconds * 500);
        target.cpuMs.push(cpuMs);
        target.ms.push(ms);
      }
    }
    const pages = targets.map(({ messages, page, limit, cpuMs, ms }) => ({
      ...{ messages, page, limit },
      cpuMs: median(cpuMs),
      ms: median(ms),
    }));
    const short = pages.filter(({ limit }) => limit === SHORT);
    const growth = (short.at(-1)?.cpuMs ?? Number.NaN) / (short[0]?.cpuMs ?? Number.NaN);
    for (const { messages, page, cpuMs, ms } of pages)
      say(`history, ${messages} messages, ${page}: ${cpuMs.toFixed(3)} CPU ms, ${ms.toFixed(2)} ms`);
    return { pages, growth };
  } finally {
    await stack.stop();
  }
}

/**
 * What is read: the newest 10 of each room, which all of them have; the newest 50, and 50 from the middle, of the long ones.
 * @param {Stack} stack
 * @param {readonly number[]} sizes
 */
async function targetsOf(stack, sizes) {
  /** @type {typeof import('../../../src/core/ids.js')} */
  const { foldMessageId } = await built('core/ids.js');
  const [url = ''] = stack.urls;
  const token = await tokenOf('u0');
  const redis = await openRedis(stack);
  try {
    /** @type {{ messages: number, page: string, limit: number, paths: string[], cpuMs: number[], ms: number[] }[]} */
    const targets = [];
    for (const messages of sizes) {
      const { id } = await expect('POST', `${url}/api/v1/rooms`, { token, body: { name: 'long' } });
      const room = Number(id);
      await fillRoom(redis, room, messages);
      const add = (/** @type {string} */ page, /** @type {number} */ limit, before = '') => {
        const path = `/api/v1/rooms/${room}/messages?limit=${limit}${before}`;
        targets.push({ messages, page, limit, paths: [path], cpuMs: [], ms: [] });
      };
      add('newest 10', SHORT);
      if (messages < PAGE) continue;
      const middle = foldMessageId(room, Math.floor(messages / 2));
      add('newest 50', PAGE);
      add('50 from the middle', PAGE, `&before=${middle}`);
    }
    return targets;
  } finally {
    redis.disconnect();
  }
}

/**
 * Reads pages for so long.
 * @param {Stack} stack
 * @param {readonly { paths: string[] }[]} targets
 * @param {number} forMs
 */
async function readFor(stack, targets, forMs) {
  const token = await tokenOf('u0');
  const urls = targets.flatMap(({ paths }) => stack.urls.flatMap((url) => paths.map((path) => url + path)));
  const { nodePids, redisPids } = stack.targets;
  const cpu = () => sum([...nodePids, ...redisPids].map(cpuSeconds));
  /** @type {number[]} */
  const took = [];
  const before = cpu();
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const burst = Array.from({ length: BURST }, (_, at) => urls[at % urls.length] ?? '');
    await mapAtOnce(burst, AT_ONCE, async (url) => {
      const at = performance.now();
      await expect('GET', url, { token });
      took.push(performance.now() - at);
    });
  }
  return { cpuMs: ((cpu() - before) * 1000) / took.length, ms: median(took) };
}
