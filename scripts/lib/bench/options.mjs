/** What a benchmark is asked for. */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from '../fail.mjs';
import { DATA } from '../paths.mjs';
import { SYSTEMS } from './systems.mjs';
import { LIVE } from './workloads.mjs';

/** Loads that only Parlance is put under, or that are measured in another way. */
export const OTHERS = ['users', 'idle', 'history', 'scale', 'sizes'];
export const WORKLOADS = [...Object.keys(LIVE), ...OTHERS];

const SYSTEM_NAMES = SYSTEMS.map(({ name }) => name);

export const USAGE = `Usage: scripts/bench [options]

Puts Parlance and what one would otherwise build under the same loads, each on two nodes and a Redis of its own, all
on loopback, in interleaved rounds. The primary figure is CPU seconds of nodes and Redis per 100,000 deliveries. Exit
code 0 only when every message came to every socket once. Linux only.

Workloads
${Object.values(LIVE)
  .map(({ title }) => `  ${title}`)
  .join('\n')}
  users: 1,000 people with 20 chats each on one socket (skillarena), against as many sockets of single rooms
  idle: 5,000 sockets: memory of each, CPU time and time to connect
  history: pages of rooms of 10, 10,000 and 1,000,000 messages
  scale: 1 to 4 nodes, and 1 to 3 Redis shards
  sizes: memory in Redis of a message and of an idle room

Systems
${SYSTEMS.map(({ name, title }) => `  ${name.padEnd(17)}${title}`).join('\n')}

Options                 (default)
  --workloads LIST      (all)
  --systems LIST        (all)
  --rounds N            (3)       medians are taken over them
  --seconds N           (2)       measured time of each load, after half as long to warm up
  --size X              (1)       factor for rooms, sockets and rates
  --quick                         one round of a second, and small rooms only: under 2 minutes
  --compare                       shows what changed since the last run in the history file
  --history FILE        (.data/bench/history.ndjson)
                                  a line of JSON for each run
  --json FILE                     the results, for machines
  --profile                       CPU profiles of the nodes, in .data/bench/profiles; makes them slower`;

/**
 * @typedef {object} Options
 * @property {string[]} workloads
 * @property {string[]} systems
 * @property {number} rounds
 * @property {number} seconds
 * @property {number} warmMs
 * @property {number} size
 * @property {boolean} quick
 * @property {boolean} compare
 * @property {string} history
 * @property {string | undefined} json
 * @property {string | undefined} profiles directory
 */

/** @param {string[]} args @returns {Options | undefined} undefined when only the usage was asked for */
export function readOptions(args) {
  const values = parse(args);
  if (values.help) return undefined;
  const quick = values.quick ?? false;
  const seconds = number('seconds', values.seconds, quick ? 1 : 2, 600);
  return {
    workloads: listOf('workloads', values.workloads, WORKLOADS),
    systems: listOf('systems', values.systems, SYSTEM_NAMES),
    rounds: Math.ceil(number('rounds', values.rounds, quick ? 1 : 3, 100)),
    seconds,
    warmMs: seconds * 500,
    size: number('size', values.size, 1, 100),
    quick,
    compare: values.compare ?? false,
    history: resolve(values.history ?? `${DATA}/bench/history.ndjson`),
    json: values.json === undefined ? undefined : resolve(values.json),
    profiles: values.profile ? `${DATA}/bench/profiles` : undefined,
  };
}

/** @param {string[]} args */
function parse(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  const yes = /** @type {const} */ ({ type: 'boolean' });
  try {
    return parseArgs({
      args,
      options: {
        workloads: text,
        systems: text,
        rounds: text,
        seconds: text,
        size: text,
        quick: yes,
        compare: yes,
        history: text,
        json: text,
        profile: yes,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\nscripts/bench --help says more.`);
  }
}

/** @param {string} name @param {string | undefined} value @param {number} fallback @param {number} most */
function number(name, value, fallback, most) {
  const n = Number(value ?? fallback);
  if (n > 0 && n <= most) return n;
  throw new Fault(`--${name} must be a number above 0, at most ${most}, not "${value}".`);
}

/**
 * In the order of `known`, whatever the order asked for.
 * @param {string} name @param {string | undefined} value @param {readonly string[]} known
 */
function listOf(name, value, known) {
  const wanted = value?.split(',') ?? known;
  const unknown = wanted.find((one) => !known.includes(one));
  if (unknown !== undefined)
    throw new Fault(`--${name}: there is no "${unknown}", only ${known.join(', ')}.`);
  return known.filter((one) => wanted.includes(one));
}
