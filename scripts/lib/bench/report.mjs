/** The results as people read them: Markdown. */

import { PEER, SYSTEMS } from './systems.mjs';
import { LIVE } from './workloads.mjs';

/** @typedef {import('./run.mjs').Results} Results */

/** Of the loads that are not compared with the peer: at most. */
const GOALS = { users: 1.5, nodeKib: 17, connectMs: 0.7, growth: 1.1 };

/** @param {Results} results */
export function report(results) {
  const { live, users, idle, history, scale, sizes, faults } = results;
  const parts = [
    `# Benchmark of ${results.at}`,
    machineLines(results),
    ...section('The lead', leadTable(results)),
    ...Object.entries(live).map(([name, by]) => `## ${LIVE[name]?.title}\n\n${liveTable(by)}`),
    ...section('users: all chats on one socket, against sockets of single rooms', users && usersTable(users)),
    ...section('idle: open and silent sockets', idle && idleTable(idle)),
    ...section('history: pages of long rooms', history && historyTable(history)),
    ...section('scale: nodes (load many), shards (load pairs)', scale && scaleTable(scale)),
    ...section('sizes: bytes in Redis', sizes && sizesTable(sizes)),
    ...section('Faults', faults.map((fault) => `- ${fault}`).join('\n')),
  ];
  return parts.join('\n\n');
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** @param {string} title @param {string | undefined} body */
function section(title, body) {
  return body ? [`## ${title}\n\n${body}`] : [];
}

/** @param {Results} results */
function machineLines({ machine, options, seconds }) {
  const { cpu, cores, memoryGb, kernel, node, redis, packages, commit, load } = machine;
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const { rounds, seconds: window, size, quick } = options;
  return [
    `- ${cores} cores of ${cpu}, ${memoryGb} GB, Linux ${kernel}; load average before: ${load}`,
    `- Node ${node}, Redis ${redis}, ${versions.join(', ')}; commit ${commit}`,
    `- medians of ${rounds} rounds, ${window} s each${size === 1 ? '' : `, size ${size}`}${quick ? ', quick' : ''}; took ${seconds} s`,
  ].join('\n');
}

/** Parlance against the peer, or against itself, with what it is to reach. @param {Results} results */
function leadTable({ live, users, idle, history }) {
  const rows = Object.entries(live).flatMap(([name, { parlance, [PEER]: peer }]) => {
    if (!parlance || !peer) return [];
    const goal = LIVE[name]?.goal ?? 0;
    const ratio = peer.cpu / parlance.cpu;
    return [
      [
        name,
        `${ratio.toFixed(2)} times the deliveries of a CPU second`,
        `at least ${goal}`,
        met(ratio >= goal),
        `${(parlance.perSecond / peer.perSecond).toFixed(2)} times as many deliveries/s, p99 ${parlance.p99.toFixed(1)} ms (${peer.p99.toFixed(1)})`,
      ],
    ];
  });
  /** @param {string} name @param {number | undefined} value @param {string} unit @param {number} goal @param {string} [more] */
  const atMost = (name, value, unit, goal, more = '') => {
    if (value !== undefined)
      rows.push([name, `${value.toFixed(2)} ${unit}`, `at most ${goal}`, met(value <= goal), more]);
  };
  const own = idle?.parlance;
  const theirs = idle?.[PEER];
  atMost('users', users?.ratio, 'times the CPU of room sockets', GOALS.users);
  atMost(
    'idle socket',
    own?.nodeKibLive,
    'KiB',
    GOALS.nodeKib,
    theirs && `${theirs.nodeKibLive.toFixed(1)} of the peer`,
  );
  /** @param {number | undefined} ms */
  const ofPeer = (ms) => (ms === undefined ? '' : `${ms.toFixed(2)} of the peer`);
  atMost('connect', own?.cpuMs, 'CPU ms', GOALS.connectMs, ofPeer(theirs?.cpuMs));
  atMost('first connect', own?.anewMs, 'CPU ms', GOALS.connectMs, ofPeer(theirs?.anewMs));
  atMost('history', history?.growth, 'times the CPU in the longest room', GOALS.growth);
  return rows.length > 0
    ? table(['load', 'against the peer or itself', 'goal', '', 'besides'], rows)
    : undefined;
}

/** @param {boolean} yes */
function met(yes) {
  return yes ? 'met' : 'MISSED';
}

const LIVE_HEAD = ['CPU s/100k', 'nodes', 'Redis', 'deliveries/s', 'p50 ms', 'p99', 'p99.9', 'client'];

/** @param {import('./live.mjs').Figures} figures */
function liveCells({ cpu, nodesCpu, redisCpu, perSecond, p50, p99, p999, clientCpu }) {
  return [
    ...[cpu, nodesCpu, redisCpu].map((seconds) => seconds.toFixed(2)),
    String(Math.round(perSecond)),
    ...[p50, p99, p999].map((ms) => ms.toFixed(1)),
    `${Math.round(clientCpu * 100)} %`,
  ];
}

/** @param {Record<string, import('./live.mjs').Figures>} by system */
function liveTable(by) {
  const peer = by[PEER];
  const rows = SYSTEMS.flatMap(({ name, title }) => {
    const figures = by[name];
    if (!figures) return [];
    return [[title, ...liveCells(figures), peer ? (peer.cpu / figures.cpu).toFixed(2) : '-']];
  });
  return table(['system', ...LIVE_HEAD, 'ratio'], rows);
}

/** @param {import('./users.mjs').UsersFigures} figures */
function usersTable({ users, rooms, people, chats }) {
  return table(
    ['sockets', ...LIVE_HEAD],
    [
      [`${people} people, ${chats} chats each`, ...liveCells(users)],
      [`${people} sockets of rooms of 2`, ...liveCells(rooms)],
    ],
  );
}

/** @param {Record<string, import('./idle.mjs').IdleFigures>} idle */
function idleTable(idle) {
  const head = [
    'system',
    'sockets',
    'KiB each',
    'without garbage',
    'Redis B each',
    'CPU ms of the first connect',
    'of the next',
    'connects/s',
  ];
  const rows = SYSTEMS.flatMap(({ name, title }) => {
    const one = idle[name];
    if (!one) return [];
    return [
      [
        title,
        String(one.sockets),
        one.nodeKib.toFixed(1),
        one.nodeKibLive.toFixed(1),
        one.redisBytes.toFixed(0),
        one.anewMs.toFixed(2),
        one.cpuMs.toFixed(2),
        one.perSecond.toFixed(0),
      ],
    ];
  });
  return table(head, rows);
}

/** @param {import('./pages.mjs').HistoryFigures} figures */
function historyTable({ pages }) {
  const rows = pages.map(({ messages, page, cpuMs, ms }) => [
    String(messages),
    page,
    cpuMs.toFixed(3),
    ms.toFixed(2),
  ]);
  return table(['messages in the room', 'page', 'CPU ms', 'ms'], rows);
}

/** @param {import('./scale.mjs').ScaleFigures} figures */
function scaleTable({ nodes, shards }) {
  const rows = [
    ...Object.entries(nodes).map(([count, figures]) => [`${count} nodes`, ...liveCells(figures)]),
    ...Object.entries(shards).map(([count, figures]) => [`${count} shards`, ...liveCells(figures)]),
  ];
  return table(['', ...LIVE_HEAD], rows);
}

/** @param {import('./sizes.mjs').SizeFigures} figures */
function sizesTable({ message, room, spokenRoom }) {
  return table(
    ['', 'bytes'],
    [
      ['a message of 100 bytes in a long room', message.toFixed(0)],
      ['an idle room', room.toFixed(0)],
      ['a room with a first message', spokenRoom.toFixed(0)],
    ],
  );
}
