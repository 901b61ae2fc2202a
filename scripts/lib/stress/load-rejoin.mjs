/** The scenario `rejoin`: very many sockets come back to one room at once, while messages arrive. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';
import { Checker, RoomLog } from './check.mjs';
import { Client } from './client.mjs';
import { establish } from './drive.mjs';
import { expect } from './http.mjs';
import { rooms as speech } from './speech/rooms.mjs';

const WITHIN_MS = 5_000;
const DEADLINE_MS = 60_000;
const MISSED = 100;
const LOG_READS = 'parlance_log_reads_total';

/** @param {import('./run.mjs').Run} run */
export async function runRejoin(run) {
  const { options, world, meter, random, token, say } = run;
  const { ledger, bases } = world;
  const maker = await token('maker');
  const [base = ''] = bases;
  const { id: room } = await expect('POST', `${base}/api/v1/rooms`, {
    token: maker,
    body: { name: 'the square' },
  });
  const clients = await Promise.all(
    Array.from({ length: options.sockets }, async (_, at) => {
      const user = `p${at}`;
      return new Client(world, { user, token: await token(user), speech, room, at });
    }),
  );
  const speaker = new Client(world, { user: 'maker', token: maker, speech, room, at: 0 });
  const everybody = [speaker, ...clients];
  await establish(everybody);
  speaker.send(ledger.create(room));
  await poll(() => clients.every((client) => client.track(Number(room)).last >= 1), DEADLINE_MS);
  for (const client of clients) client.mark();
  await sleep(1_000);
  say(
    `  ${clients.length} sockets in one room; all leave, miss ${MISSED} messages and come back within ${WITHIN_MS / 1000} s`,
  );

  for (const client of clients) client.leave();
  for (let i = 0; i < MISSED; i += 1) speaker.send(ledger.create(room));
  await poll(() => speaker.pending.size === 0, DEADLINE_MS);
  await meter.sample();
  const before = meter.byNode(LOG_READS);
  const startAt = performance.now();
  const talk = setInterval(() => speaker.send(ledger.create(room)), 1000 / options.rate);
  await Promise.all(
    clients.map(async (client) => {
      await sleep(random.next() * WITHIN_MS);
      void client.connect();
    }),
  );
  const head = () => speaker.track(Number(room)).last;
  const back = await poll(
    () => clients.every((client) => client.track(Number(room)).last >= MISSED),
    DEADLINE_MS,
  );
  const seconds = (performance.now() - startAt) / 1000;
  await meter.sample();
  const reads = meter.byNode(LOG_READS).map((n, i) => n - (before[i] ?? 0));
  await sleep(1_000);
  clearInterval(talk);
  await poll(() => speaker.pending.size === 0, DEADLINE_MS);
  await poll(() => clients.every((client) => client.track(Number(room)).last >= head()), DEADLINE_MS);

  const checker = new Checker(ledger);
  const page = await expect('GET', `${base}/api/v1/rooms/${room}/messages?limit=1000`, { token: maker });
  const messages = page.map((/** @type {any} */ m) => ({ id: m.id, text: m.content }));
  const log = new RoomLog(messages, ledger);
  checker.checkLogs(new Map([[Number(room), log]]));
  for (const client of everybody) {
    checker.checkTrack(client.user, Number(room), client.track(Number(room)), log);
    checker.addResets(client);
    client.end();
  }
  const figures = {
    'all back and level after s': seconds.toFixed(1),
    'log reads meanwhile, by node': reads.join(' and '),
    'heads meanwhile': log.head - 1 - MISSED,
  };
  const failures = back ? [] : ['not all came back'];
  // One for each place that the head was at while they came.
  if (Math.max(...reads) > log.head - MISSED) failures.push(`log reads by node: ${reads.join(' and ')}`);
  return { findings: checker.findings, figures, failures, seconds };
}
