/** The results as people read them: Markdown. */

import { PEER, SYSTEMS } from './systems.mjs';
import { LIVE } from './workloads.mjs';

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function table(head, rows) {
  const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** @param {import('./live.mjs').LiveFigures} live */
export function liveTables(live) {
  return Object.entries(live)
    .map(([name, by]) => `### ${LIVE[name]?.title}\n\n${liveTable(by)}`)
    .join('\n\n');
}

/** @param {Record<string, import('./live.mjs').Figures>} by system */
function liveTable(by) {
  const head = ['system', 'CPU s/100k', 'nodes', 'Redis', 'deliveries/s', 'p50 ms', 'p99', 'p99.9', 'ratio'];
  const peer = by[PEER];
  const rows = SYSTEMS.flatMap(({ name, title }) => {
    const figures = by[name];
    if (!figures) return [];
    const { cpu, nodesCpu, redisCpu, perSecond, p50, p99, p999 } = figures;
    return [
      [
        title,
        cpu.toFixed(2),
        nodesCpu.toFixed(2),
        redisCpu.toFixed(2),
        String(Math.round(perSecond)),
        ...[p50, p99, p999].map((ms) => ms.toFixed(1)),
        peer ? (peer.cpu / cpu).toFixed(2) : '-',
      ],
    ];
  });
  return table(head, rows);
}
