/** Rooms with very many messages, written straight into their logs as the append script would have. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../paths.mjs';

const CHUNK = 10_000;
export const TEXT = 'x'.repeat(100);

/** KEYS log, room; ARGV first and last offset, sender, text. The layout is that of src/redis/lua/append.lua. */
const FILL = `
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('XADD', KEYS[1], '0-' .. i, 'n', 'benchfill' .. i, 's', ARGV[3], 't', ARGV[4], 'a', '', 'c', now, 'v', 'rooms')
end
redis.call('HSET', KEYS[2], 'tip', ARGV[2] .. ' ' .. now .. ' benchfill' .. ARGV[2])`;

/**
 * A client of a stack's Redis, which the caller closes.
 * @param {import('./stack.mjs').Stack} stack
 */
export async function openRedis({ redis }) {
  const { Redis } = await import('ioredis');
  return new Redis({ host: '127.0.0.1', port: redis[0]?.port ?? 0 });
}

/**
 * Fills an empty room.
 * @param {import('ioredis').Redis} client
 * @param {number} room
 * @param {number} messages
 */
export async function fillRoom(client, room, messages) {
  /** @type {typeof import('../../../src/redis/keys.js')} */
  const { keys } = await built('redis/keys.js');
  for (let from = 1; from <= messages; from += CHUNK) {
    const to = Math.min(messages, from + CHUNK - 1);
    await client.eval(FILL, 2, keys.log(room), keys.room(room), from, to, 'u0', TEXT);
  }
}

/** Bytes that Redis has in use. @param {import('ioredis').Redis} client */
export async function usedBytes(client) {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
}

/** A module of the built program. @param {string} path below dist/ */
export function built(path) {
  return import(pathToFileURL(join(ROOT, 'dist', path)).href);
}
