/** The scenario `history`: one long chat, read whole through every dialect while a node's memory is watched. */

import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Checker, RoomLog } from './check.mjs';
import { Client } from './client.mjs';
import { establish } from './drive.mjs';
import { expect } from './http.mjs';
import { addressOf, uuidOf } from './ids.mjs';
import { rooms as speech } from './speech/rooms.mjs';

const DEADLINE_MS = 120_000;
/** Sends on their way at any moment, by each of the two people. */
const WINDOW = 60;
const REST_MS = 1_500;
/** How long a slow reader takes nothing: what the node then holds is what it reads ahead. */
const STOP_MS = 3_000;
const SAMPLE_MS = 5;
const PAGE = 1_000;
/** What is asked of a node: memory that grows by less, and a first byte that comes sooner. */
const GOAL_MB = 32;
const GOAL_MS = 100;

/** @typedef {{ messages: { id: unknown, text: string }[], firstByteMs: number, ms: number, growthMb: number }} Reading */

/** @param {import('./run.mjs').Run} run */
export async function runHistory(run) {
  const { options, world, stack, token, say } = run;
  const [base = ''] = world.bases;
  const [one, other] = await Promise.all(
    ['one', 'other'].map(async (user) => ({ user, token: await token(user) })),
  );
  if (!one || !other) throw new Error('two people');
  for (const { user, token: mine } of [one, other])
    await expect('GET', `${base}/api/v1/users/${user}`, { token: mine });
  const start = { token: one.token, body: { user_id: other.user } };
  const { id: room } = await expect('POST', `${base}/chat/chats/start/`, start);

  const seconds = await fill(run, [one, other], String(room));
  say(`  ${options.messages} messages in ${seconds.toFixed(1)} s`);
  const checker = new Checker(world.ledger);
  /** @type {Record<string, object>} */
  const figures = {};
  /** @type {string[]} */
  const failures = [];
  for (const [name, read] of readers(base, one.token, other.user, room)) {
    // Each dialect has a node that has done nothing yet, but to answer once.
    await stack.endNode(0, 'SIGTERM');
    await stack.startNode(0);
    await read('?limit=1');
    await sleep(REST_MS);
    const { messages, firstByteMs, ms, growthMb } = await measured(stack.node(0).program, () => read(''));
    await sleep(REST_MS);
    const stopped = await measured(stack.node(0).program, () => read('', STOP_MS));
    const goal = growthMb < GOAL_MB && firstByteMs < GOAL_MS ? 'met' : 'MISSED';
    figures[name] = {
      'growth MB': round(growthMb),
      'for a reader who stops': round(stopped.growthMb),
      'first byte ms': round(firstByteMs),
      'all ms': Math.round(ms),
      goal,
    };
    if (messages.length !== options.messages)
      failures.push(`${name} tells ${messages.length} of ${options.messages} messages`);
    checker.checkLogs(new Map([[Number(room), new RoomLog(messages, world.ledger)]]));
    if (!inOrder(messages)) failures.push(`${name} tells them out of order`);
  }
  return { findings: checker.findings, figures, failures, seconds };
}

/**
 * Fills the room through two sockets; answers how long it took, in seconds.
 * @param {import('./run.mjs').Run} run
 * @param {{ user: string, token: string }[]} people
 * @param {string} room
 */
async function fill({ options, world }, people, room) {
  const { ledger } = world;
  const clients = people.map((person, at) => new Client(world, { ...person, speech, room, at }));
  await establish(clients);
  const startAt = performance.now();
  while (ledger.acknowledged < options.messages) {
    if (performance.now() - startAt > DEADLINE_MS) throw new Error('filling the room takes too long');
    for (const client of clients) {
      while (client.pending.size < WINDOW && ledger.entries.length < options.messages)
        client.send(ledger.create(room));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const client of clients) client.end();
  return (performance.now() - startAt) / 1000;
}

/**
 * How each dialect's "all messages" are read.
 * @param {string} base
 * @param {string} token
 * @param {string} other
 * @param {number} room
 * @returns {[string, (query: string, stopMs?: number) => Promise<Reading>][]}
 */
function readers(base, token, other, room) {
  /** @typedef {Record<string, any>} Body */
  /** @type {[string, string, (body: any) => Body[], (message: Body) => { id: unknown, text: string }][]} */
  const documents = [
    ['skillarena', `/chat_history/${other}`, (all) => all, (m) => ({ id: m.message_id, text: m.message })],
    [
      'netrox',
      `/chat/messages/${other}/`,
      (all) => all.entity.messages,
      (m) => ({ id: m.id, text: m.message }),
    ],
    ['chats', `/chat/chats/${room}/messages/`, (all) => all, (m) => ({ id: m.id, text: m.content })],
    [
      'conversations',
      `/api/conversations/${uuidOf('room', room)}`,
      (all) => all,
      (m) => ({ id: m.message_id, text: m.message }),
    ],
  ];
  /** @type {[string, (query: string, stopMs?: number) => Promise<Reading>][]} */
  const whole = documents.map(([name, path, list, shape]) => [
    name,
    async (query, stopMs) => {
      const { text, firstByteMs, ms } = await fetchTimed(`${base}${path}${query}`, token, stopMs);
      return { messages: list(JSON.parse(text)).map(shape), firstByteMs, ms, growthMb: 0 };
    },
  ]);
  return [
    ...whole,
    ['rooms (in pages)', (query) => readPages(`${base}/api/v1/rooms/${room}/messages`, token, query)],
  ];
}

/**
 * This document knows no list without a limit: page by page, newest first.
 * @param {string} url
 * @param {string} token
 * @param {string} query not empty: the newest page only
 * @returns {Promise<Reading>}
 */
async function readPages(url, token, query) {
  /** @type {{ id: unknown, text: string }[][]} */
  const pages = [];
  const startAt = performance.now();
  let firstByteMs = 0;
  for (;;) {
    const oldest = pages.at(-1)?.[0]?.id;
    const answer = await fetchTimed(`${url}?limit=${PAGE}${oldest ? `&before=${oldest}` : ''}`, token);
    if (pages.length === 0) firstByteMs = answer.firstByteMs;
    /** @type {{ id: string, content: string }[]} */
    const page = JSON.parse(answer.text);
    pages.push(page.map(({ id, content }) => ({ id, text: content })));
    if (page.length < PAGE || query !== '') break;
  }
  return { messages: pages.toReversed().flat(), firstByteMs, ms: performance.now() - startAt, growthMb: 0 };
}

/**
 * @param {string} url
 * @param {string} token
 * @param {number} [stopMs] how long to take nothing after the first bytes
 * @returns {Promise<{ text: string, firstByteMs: number, ms: number }>}
 */
function fetchTimed(url, token, stopMs = 0) {
  const startAt = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const out = request(
      url,
      { headers, agent: false, signal: AbortSignal.timeout(DEADLINE_MS) },
      (answer) => {
        let firstByteMs = 0;
        /** @type {Buffer[]} */
        const chunks = [];
        answer.on('data', (chunk) => {
          if (firstByteMs === 0 && stopMs > 0) {
            answer.pause();
            setTimeout(() => answer.resume(), stopMs);
          }
          firstByteMs ||= performance.now() - startAt;
          chunks.push(chunk);
        });
        answer.once('error', reject);
        answer.once('end', () => {
          if (answer.statusCode !== 200)
            return reject(new Error(`${url} was answered with ${answer.statusCode}`));
          resolve({ text: Buffer.concat(chunks).toString(), firstByteMs, ms: performance.now() - startAt });
        });
      },
    );
    out.once('error', reject);
    out.end();
  });
}

/**
 * Watches a process's memory while `work` is done.
 * @param {import('./program.mjs').Program} program
 * @param {() => Promise<Reading>} work
 */
async function measured(program, work) {
  const before = program.residentMb;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, program.residentMb);
  }, SAMPLE_MS);
  const reading = await work();
  clearInterval(timer);
  return { ...reading, growthMb: Math.max(most, program.residentMb) - before };
}

/** @param {readonly { text: string, id: unknown }[]} messages */
function inOrder(messages) {
  return messages.every(({ id }, i) => addressOf(id).offset === i + 1);
}

/** @param {number} n */
function round(n) {
  return Math.round(n * 10) / 10;
}
