/** What a load test is asked for. */

import { parseArgs } from 'node:util';
import { Fault } from '../fail.mjs';
import { SPEECHES } from './people.mjs';

export const USAGE = `Usage: scripts/loadtest [options]

Puts load on a service that runs, through one of its five APIs, and keeps book: every message that was acknowledged must
reach everybody in its room, once and in order. Sockets that are closed come back and go on where they were.

Options                   (default)
  --url URL               (http://127.0.0.1:8000)  where the service is; https works too
  --dialect NAME          (rooms)   ${Object.keys(SPEECHES).join(', ')}, or mixed (all but rooms)
  --users N               (100)     people, a socket each
  --rooms N               (10)      rooms, over which they spread; with other dialects than rooms they are pairs instead
  --rate N                (50)      messages a second, all together
  --bytes N               (100)     length of a text
  --ramp SECONDS          (5)       time over which the sockets are opened
  --duration SECONDS      (30)      time under load
  --json FILE                       the result, for machines

It fails (exit code 1) when anything acknowledged is lost, doubled or out of order, and past these:
  --max-p99 MS            (none)    from sending to each reader
  --max-errors PERCENT    (1)       sends that were refused or not answered
  --max-closes N          (none)    sockets closed by the service

Tokens are signed with JWT_SECRET (JWT_ISSUER, JWT_AUDIENCE) when it is in the environment; else people are made by
POST /api/v1/users. Limits hold for a load test too: RATE_LIMIT_MAX for its address, SOCKET_RATE for each socket.`;

/**
 * @typedef {object} Options
 * @property {string} url without a slash at the end
 * @property {string} dialect
 * @property {number} users
 * @property {number} rooms
 * @property {number} rate
 * @property {number} bytes
 * @property {number} ramp in seconds
 * @property {number} duration in seconds
 * @property {string | undefined} json
 * @property {number} maxP99 in ms
 * @property {number} maxErrors in percent
 * @property {number} maxCloses
 * @property {NodeJS.ProcessEnv} env
 */

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Options | undefined} undefined when only the usage was asked for
 */
export function readOptions(args, env) {
  const values = parse(args);
  if (values.help) return undefined;
  /** @param {string} name @param {number} fallback @param {number} least @param {number} most */
  const number = (name, fallback, least, most) => {
    const given = values[/** @type {'users'} */ (name)];
    const n = Number(given ?? fallback);
    if (given === undefined || (n >= least && n <= most)) return n;
    throw new Fault(`--${name} must be a number from ${least} to ${most}, not "${given}".`);
  };
  /** @param {string} name @param {number} fallback @param {number} most */
  const whole = (name, fallback, most) => Math.floor(number(name, fallback, 1, most));
  const dialect = values.dialect ?? 'rooms';
  if (dialect !== 'mixed' && !(dialect in SPEECHES))
    throw new Fault(`--dialect is one of ${Object.keys(SPEECHES).join(', ')}, mixed; not "${dialect}".`);
  const users = whole('users', 100, 50_000);
  if (users < 2) throw new Fault('--users must be 2 at least: somebody has to listen.');
  return {
    url: urlOf(values.url ?? 'http://127.0.0.1:8000'),
    dialect,
    users,
    rooms: whole('rooms', 10, users),
    rate: number('rate', 50, 0.1, 100_000),
    bytes: whole('bytes', 100, 262_144),
    ramp: number('ramp', 5, 0, 3_600),
    duration: number('duration', 30, 1, 86_400),
    json: values.json,
    maxP99: number('max-p99', Number.POSITIVE_INFINITY, 0, Number.MAX_SAFE_INTEGER),
    maxErrors: number('max-errors', 1, 0, 100),
    maxCloses: number('max-closes', Number.POSITIVE_INFINITY, 0, Number.MAX_SAFE_INTEGER),
    env,
  };
}

/** @param {string} text */
function urlOf(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href.replace(/\/+$/, '');
  throw new Fault(`--url must be an http or https address, not "${text}".`);
}

/** @param {string[]} args */
function parse(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  try {
    const { values } = parseArgs({
      args,
      options: {
        url: text,
        dialect: text,
        users: text,
        rooms: text,
        rate: text,
        bytes: text,
        ramp: text,
        duration: text,
        json: text,
        'max-p99': text,
        'max-errors': text,
        'max-closes': text,
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\nscripts/loadtest --help says more.`);
  }
}
