/** The load `sizes`: what a message and a room take in Redis. */

import { expect, mapAtOnce } from '../stress/http.mjs';
import { fillRoom, openRedis, TEXT, usedBytes } from './fill.mjs';
import { Stack } from './stack.mjs';
import { PARLANCE } from './systems.mjs';
import { tokenOf } from './workloads.mjs';

const MESSAGES = 100_000;
const ROOMS = 1_000;
const AT_ONCE = 32;

/**
 * @typedef {object} SizeFigures bytes that Redis has in use for
 * @property {number} message one of 100 bytes in a long room
 * @property {number} room one without messages
 * @property {number} spokenRoom one with a first message: its log, its member, the cursor
 */

/** @param {import('./live.mjs').Bench} bench @returns {Promise<SizeFigures>} */
export async function runSizes({ options, say }) {
  const factor = options.size * (options.quick ? 0.2 : 1);
  const rooms = Math.max(50, Math.round(ROOMS * factor));
  const messages = Math.max(5_000, Math.round(MESSAGES * factor));
  const stack = await Stack.start(PARLANCE, { nodes: 1 });
  const redis = await openRedis(stack);
  try {
    const [url = ''] = stack.urls;
    const token = await tokenOf('u0');
    const make = async () => {
      const { id } = await expect('POST', `${url}/api/v1/rooms`, { token, body: { name: 'a room' } });
      return Number(id);
    };
    const long = await make();
    const start = await usedBytes(redis);
    const all = await mapAtOnce(Array.from({ length: rooms }), AT_ONCE, make);
    const made = await usedBytes(redis);
    await mapAtOnce(all, AT_ONCE, (room) => {
      const body = { content: TEXT, user_id: 'u0' };
      return expect('POST', `${url}/api/v1/rooms/${room}/messages`, { token, body });
    });
    const spoken = await usedBytes(redis);
    await fillRoom(redis, long, messages);
    const filled = await usedBytes(redis);
    const figures = {
      message: (filled - spoken) / messages,
      room: (made - start) / rooms,
      spokenRoom: (spoken - start) / rooms,
    };
    say(
      `sizes in Redis: message ${figures.message.toFixed(0)} B, room ${figures.room.toFixed(0)} B, room with a message ${figures.spokenRoom.toFixed(0)} B`,
    );
    return figures;
  } finally {
    redis.disconnect();
    await stack.stop();
  }
}
