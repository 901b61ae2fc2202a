/** The systems that are compared: how a node of each is started, and how its clients speak. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_MAIN } from '../paths.mjs';

const SERVERS = fileURLToPath(new URL('servers', import.meta.url));

/** Signs the tokens of a run; its servers live on loopback for as long as the run. */
export const SECRET = 'a secret of benchmarks that is long enough for HS256';

/**
 * @typedef {object} System
 * @property {string} name
 * @property {string} title
 * @property {string} main what a node runs
 * @property {string} speech a key of SPEECH
 * @property {boolean} tokens whether rooms are made over HTTP, and sockets bear tokens
 * @property {Record<string, string>} env
 */

/** @type {System} */
const parlance = {
  name: 'parlance',
  title: 'Parlance',
  main: NODE_MAIN,
  speech: 'rooms',
  tokens: true,
  env: {
    JWT_SECRET: SECRET,
    ROOMS_AUTH: 'jwt',
    RATE_LIMIT_MAX: '0',
    SOCKET_RATE: '0',
    UPGRADE_RATE: '0',
    DRAIN_MS: '0',
    LOG_LEVEL: 'warn',
  },
};

/** @param {string} name @param {string} title @param {string} file @param {string} speech @param {Record<string, string>} [env] @returns {System} */
function other(name, title, file, speech, env = {}) {
  return { name, title, main: join(SERVERS, file), speech, tokens: false, env };
}

/** What the others are measured against. */
export const PEER = 'socketio';

/** @type {readonly System[]} */
export const SYSTEMS = [
  parlance,
  other(PEER, 'Socket.IO, redis-adapter, XADD', 'socketio.mjs', 'socketio'),
  other('socketio-streams', 'Socket.IO, redis-streams-adapter, XADD', 'socketio.mjs', 'socketio', {
    ADAPTER: 'streams',
  }),
  other('ws', 'bare ws, pub/sub, no history', 'ws.mjs', 'plain'),
  other('ws-log', 'bare ws, one append script', 'ws.mjs', 'plain', { LOG: 'script' }),
  other('ws-batch', 'bare ws, one append script for a turn', 'ws.mjs', 'plain', { LOG: 'batch' }),
];

export const PARLANCE = parlance;
