/** The scenario `crowd`: people with very many direct chats open one socket for all of them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { poll } from '../wait.mjs';
import { Checker } from './check.mjs';
import { Client } from './client.mjs';
import { expect, mapAtOnce } from './http.mjs';
import { skillarena } from './speech/skillarena.mjs';

const AT_ONCE = 32;
const LIVE_MS = 30_000;
const REST_MS = 2_000;
const GOAL_MS = 1_000;
const GOAL_MB = 2;

/** @param {import('./run.mjs').Run} run */
export async function runCrowd(run) {
  const { options, world, stack, token, say } = run;
  const { ledger } = world;
  const [base = ''] = world.bases;
  const people = async (/** @type {string} */ kind, /** @type {number} */ count) => {
    const names = Array.from({ length: count }, (_, i) => `${kind}-${i}`);
    return mapAtOnce(names, AT_ONCE, async (user) => {
      const mine = await token(user);
      await expect('GET', `${base}/api/v1/users/${user}`, { token: mine });
      return { user, token: mine };
    });
  };
  const startAt = performance.now();
  const friends = await people('friend', options.conversations);
  const busy = await people('busy', options.sockets);
  const chats = await mapAtOnce(
    busy.flatMap((one) => friends.map((friend) => ({ one, friend }))),
    AT_ONCE,
    async ({ one, friend }) => {
      const body = { user_id: friend.user };
      const chat = await expect('POST', `${base}/chat/chats/start/`, { token: one.token, body });
      return { one, friend, room: /** @type {number} */ (chat.id) };
    },
  );
  const seconds = (performance.now() - startAt) / 1000;
  say(`  ${busy.length} people with ${friends.length} chats each, made in ${seconds.toFixed(1)} s`);
  // The node that is measured has done nothing yet, but to open one socket.
  await stack.endNode(0, 'SIGTERM');
  await stack.startNode(0);
  const own = { ...world, bases: [base] };
  const clients = busy.map((one) => new Client(own, { ...one, speech: skillarena, at: 0 }));
  const { program } = stack.node(0);

  /** @type {{ openMs: number, liveMs: number, mb: number }[]} */
  const opened = [];
  for (const client of clients) {
    const at = performance.now();
    void client.connect();
    await poll(() => client.isOpen, LIVE_MS, 1);
    const openMs = performance.now() - at;
    // The answer to its first frame: from here on everything comes live.
    if (!(await settled(client.established))) throw new Error('a socket was not live in time');
    opened.push({ openMs, liveMs: performance.now() - at, mb: program.residentMb });
    await sleep(100);
  }
  await sleep(REST_MS);
  const [first] = opened;
  const mb = (program.residentMb - (first?.mb ?? 0)) / Math.max(1, clients.length - 1);

  const checker = new Checker(ledger);
  const failures = await everybodyHears(run, chats, clients);
  const lives = opened.map(({ liveMs }) => liveMs).sort((a, b) => a - b);
  const figures = {
    'open ms': spread(opened.map(({ openMs }) => openMs).sort((a, b) => a - b)),
    'live ms': { ...spread(lives), goal: (lives.at(-1) ?? 0) < GOAL_MS ? 'met' : 'MISSED' },
    'MB for each further socket': { mean: Math.round(mb * 100) / 100, goal: mb < GOAL_MB ? 'met' : 'MISSED' },
    'log reads': run.meter.byNode('parlance_log_reads_total').join(' and '),
  };
  for (const client of clients) client.end();
  return { findings: checker.findings, figures, failures, seconds };
}

/**
 * One message in chats drawn by lot, for every socket: it must come.
 * @param {import('./run.mjs').Run} run
 * @param {readonly { one: { user: string }, friend: { token: string }, room: number }[]} chats
 * @param {readonly Client[]} clients
 */
async function everybodyHears({ world, random }, chats, clients) {
  const { ledger, tally } = world;
  /** @type {string[]} */
  const failures = [];
  await mapAtOnce(clients, 4, async (client) => {
    const chat = random.pick(chats.filter(({ one }) => one.user === client.user));
    const entry = ledger.create(`${chat.room}`);
    ledger.attempted(entry, false);
    const url = `${world.bases.at(-1)}/chat/chats/${chat.room}/messages/`;
    const { id } = await expect('POST', url, {
      token: chat.friend.token,
      body: { content: entry.text },
      key: entry.ref,
    });
    ledger.acked(entry, id);
    const came = await poll(() => client.track(chat.room).numbers.includes(entry.n), LIVE_MS, 5);
    if (!came) failures.push(`${client.user} did not get a message in room ${chat.room}`);
  });
  if (tally.received > clients.length)
    failures.push(`${tally.received} frames for ${clients.length} messages`);
  return failures;
}

/** @param {Promise<unknown>} promise */
function settled(promise) {
  return Promise.race([promise.then(() => true), sleep(LIVE_MS, false, { ref: false })]);
}

/** @param {readonly number[]} sorted */
function spread(sorted) {
  return {
    median: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    most: Math.round(sorted.at(-1) ?? 0),
  };
}
