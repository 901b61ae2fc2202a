/** What a stress run is asked for. */

import { parseArgs } from 'node:util';
import { Fault } from '../fail.mjs';
import { KINDS, kindsOn, TOPOLOGIES } from './fault-kinds.mjs';

export const USAGE = `Usage: scripts/stress [scenario] [options]

Starts a private Redis and nodes on loopback, drives load, injects faults, ends by itself, and compares what
every reader got with the log. Exit code 0 only when nothing was lost, duplicated or reordered.

Scenarios
  rooms    (default) people in public rooms, spread over the nodes, who come back with ?since= when their socket
           closes and repeat unanswered sends with the same ref
  pairs    direct chats; each person speaks one of the five dialects; sends by socket and HTTP, and read marks;
           at the end histories, receipts and unread counts are recounted
  history  one long direct chat, read through every dialect's "all messages" while a node's memory is watched
  crowd    people with very many direct chats open user-level sockets: time until live, memory for each
  mixed    as pairs, on nodes that live through it all, whose memory and file descriptors are watched: the medians
           of the last third of the run must not be above those before (memory: 5 % above the middle third)
  rejoin   very many sockets come back to one room while messages arrive: log reads by node
  rolling  as rooms, behind a load balancer (haproxy), while each node is drained and replaced in turn: time away

Options                        (default)
  --seed N                     (1)        what is drawn by lot comes the same way again
  --seeds N                    (1)        that many runs: seed, seed + 1, ...
  --seconds N                  (20; mixed: 600)  time under load
  --topology NAME              (one)      one: one Redis; sentinel: a primary, two replicas, three sentinels;
                                          cluster: three primaries, three replicas
  --nodes N                    (2; rolling: 3)
  --rate N                     (50)       messages a second, all together (rejoin: 5)
  --faults LIST                (none; mixed: all)  none, all that fit the topology, or a comma list of:
${TOPOLOGIES.map((one) => `                                            ${one.padEnd(8)} ${kindsOn(one).join(' ')}`).join('\n')}
  --aof always|everysec|no     (everysec; always when Redis is killed)
                                          appendfsync of the append-only file. Where a killed Redis or a fail-over may
                                          lose what was acknowledged (fast), that is counted as rolled back, and allowed
  --durability fast|durable    (fast)     DURABILITY of the nodes
  --rooms N --members N        (50, 20)   rooms
  --pairs N                    (200)      pairs: people in a ring, so that each is in two pairs
  --messages N                 (100000)   history
  --conversations N            (2000)     crowd: chats of each person
  --sockets N                  (20; rejoin: 2000; rolling: 5000)
  --node-options TEXT                     NODE_OPTIONS of the nodes
  --json FILE                             the results, for machines
  --keep                                  keeps the directory with logs and data
  --verbose                               an example for each finding`;

export const SCENARIOS = ['rooms', 'pairs', 'mixed', 'history', 'crowd', 'rejoin', 'rolling'];

/** @type {Record<string, number>} */
const SOCKETS = { rejoin: 2_000, rolling: 5_000 };

/**
 * @typedef {object} Options
 * @property {string} scenario
 * @property {number} seed
 * @property {number} seeds
 * @property {number} seconds
 * @property {number} nodes
 * @property {number} rate
 * @property {string} topology
 * @property {string[]} faults
 * @property {string} aof
 * @property {string} durability
 * @property {number} rooms
 * @property {number} members
 * @property {number} pairs
 * @property {number} messages
 * @property {number} conversations
 * @property {number} sockets
 * @property {string} nodeOptions
 * @property {string | undefined} json
 * @property {boolean} keep
 * @property {boolean} verbose
 */

/** @param {string[]} args @returns {Options | undefined} undefined when only the usage was asked for */
export function readOptions(args) {
  const { values, scenario } = parse(args);
  if (values.help) return undefined;
  /** @param {string} name @param {string | undefined} value @param {number} fallback @param {number} most */
  const number = (name, value, fallback, most) => {
    const n = Number(value ?? fallback);
    if (Number.isInteger(n) && n >= 1 && n <= most) return n;
    throw new Fault(`--${name} must be a whole number from 1 to ${most}, not "${value}".`);
  };
  const mixed = scenario === 'mixed';
  const topology = values.topology ?? 'one';
  if (!TOPOLOGIES.includes(topology))
    throw new Fault(`--topology is one of ${TOPOLOGIES.join(', ')}, not "${topology}".`);
  const faults = faultsOf(values.faults ?? (mixed ? 'all' : 'none'), topology, mixed);
  const aof = values.aof ?? (faults.includes('redis-kill') ? 'always' : 'everysec');
  if (!['always', 'everysec', 'no'].includes(aof))
    throw new Fault(`--aof is always, everysec or no, not "${aof}".`);
  if (aof === 'no' && faults.some((fault) => KINDS[fault]?.losesMemory || fault === 'redis-restart'))
    throw new Fault(
      'Without an append-only file a Redis that ends has lost everything: --aof always or everysec.',
    );
  const rejoin = scenario === 'rejoin';
  return {
    scenario,
    seed: number('seed', values.seed, 1, 2 ** 31),
    seeds: number('seeds', values.seeds, 1, 1_000),
    seconds: number('seconds', values.seconds, mixed ? 600 : 20, 86_400),
    nodes: number('nodes', values.nodes, scenario === 'rolling' ? 3 : 2, 16),
    rate: number('rate', values.rate, rejoin ? 5 : 50, 100_000),
    topology,
    faults,
    aof,
    durability: values.durability ?? 'fast',
    rooms: number('rooms', values.rooms, 50, 10_000),
    members: number('members', values.members, 20, 10_000),
    pairs: number('pairs', values.pairs, 200, 10_000),
    messages: number('messages', values.messages, 100_000, 10_000_000),
    conversations: number('conversations', values.conversations, 2_000, 100_000),
    sockets: number('sockets', values.sockets, SOCKETS[scenario] ?? 20, 50_000),
    nodeOptions: values['node-options'] ?? '',
    json: values.json,
    keep: values.keep ?? false,
    verbose: values.verbose ?? false,
  };
}

/** @param {string[]} args */
function parse(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  const yes = /** @type {const} */ ({ type: 'boolean' });
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        seed: text,
        seeds: text,
        seconds: text,
        nodes: text,
        rate: text,
        topology: text,
        faults: text,
        aof: text,
        durability: text,
        rooms: text,
        members: text,
        pairs: text,
        messages: text,
        conversations: text,
        sockets: text,
        'node-options': text,
        json: text,
        keep: yes,
        verbose: yes,
        help: { type: 'boolean', short: 'h' },
      },
    });
    const [scenario = 'rooms', ...rest] = positionals;
    if (rest.length > 0 || !SCENARIOS.includes(scenario))
      throw new Error(`One scenario, of: ${SCENARIOS.join(', ')}; not "${positionals.join(' ')}".`);
    return { values, scenario };
  } catch (error) {
    throw new Fault(`${error instanceof Error ? error.message : error}\nscripts/stress --help says more.`);
  }
}

/** @param {string} list @param {string} topology @param {boolean} nodesLive whether no node may be ended */
function faultsOf(list, topology, nodesLive) {
  if (list === 'none') return [];
  const fitting = kindsOn(topology).filter((kind) => !(nodesLive && KINDS[kind]?.endsNode));
  if (list === 'all') return fitting;
  const kinds = list.split(',');
  const unfit = kinds.find((kind) => !fitting.includes(kind));
  if (unfit !== undefined)
    throw new Fault(`There is no fault "${unfit}" here: none, all, or of ${fitting.join(', ')}.`);
  return kinds;
}
