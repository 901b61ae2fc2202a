/** The scenario `pairs`: people in direct chats, each in a dialect of their own. */

import { poll } from '../wait.mjs';
import { Checker, RoomLog } from './check.mjs';
import { drive, establish } from './drive.mjs';
import { expect, mapAtOnce } from './http.mjs';
import { addressOf, namesUser, uuidOf } from './ids.mjs';
import { makePeople } from './people.mjs';
import { Posts } from './posts.mjs';
import { Receipts } from './receipts.mjs';

const AT_ONCE = 8;
const CAUGHT_UP_MS = 20_000;
/** Pairs whose histories are read in every dialect. */
const COMPARED = 40;
const BY_HTTP = 0.3;

/** @typedef {import('./people.mjs').Pair} Pair */
/** @typedef {import('./people.mjs').Person} Person */
/** @typedef {{ id: number, text: string, sender: unknown, read: boolean }} Line */

/** @param {import('./run.mjs').Run} run @param {(on: boolean) => void} [underLoad] told when the load begins and ends */
export async function runPairs(run, underLoad = () => undefined) {
  const { options, world, random, say } = run;
  const { ledger } = world;
  const { people, pairs, clients } = await makePeople(run);
  const posts = new Posts(world);
  const receipts = new Receipts(random, posts);
  const byName = new Map(pairs.map((pair) => [pair.name, pair]));
  for (const client of clients) {
    receipts.attach(client);
    learnRooms(client, ledger, byName);
  }
  await establish(clients);
  const unmade = pairs.filter(({ room }) => room === 0).length;
  say(
    `  ${clients.length} sockets of ${people.length} people, ${pairs.length} pairs, ${unmade} of them new; ${options.seconds} s of load`,
  );

  const send = () => {
    const pair = random.pick(pairs);
    const [one, other] = random.next() < 0.5 ? pair.ends : pair.ends.toReversed();
    const entry = ledger.create(pair.name);
    entry.from = one?.person.user ?? '';
    if (pair.room > 0 && random.next() < BY_HTTP)
      void posts.send(entry, /** @type {Person} */ (one?.person), pair.room);
    else one?.client.send(entry, other?.person.user);
  };
  underLoad(true);
  const driven = await drive({ ...run, clients, send, busy: () => posts.open + receipts.open > 0 });
  underLoad(false);

  const checker = new Checker(ledger, run.allowed);
  const used = pairs.filter(({ room }) => room > 0);
  const lines = new Map(
    await mapAtOnce(used, AT_ONCE, async (pair, i) => {
      return /** @type {[number, Line[]]} */ ([pair.room, await chatHistory(pair, baseOf(run, i))]);
    }),
  );
  const logs = new Map([...lines].map(([room, messages]) => [room, new RoomLog(messages, ledger)]));
  checker.checkLogs(logs);
  await poll(() => used.every((pair) => caughtUp(pair, logs, ledger)), CAUGHT_UP_MS);
  for (const { room, ends } of used) {
    for (const { person, client } of ends) {
      const log = /** @type {RoomLog} */ (logs.get(room));
      checker.checkTrack(
        `${person.user} (${person.speech.name}) in room ${room}`,
        room,
        client.track(room),
        log,
        (n) => isOptional(person, ledger, n),
      );
    }
  }
  for (const client of clients) checker.addResets(client);
  const recount = await recountReceipts(run, people, pairs, lines, receipts);
  const different = await compareHistories(run, used.slice(0, COMPARED), lines);
  for (const client of clients) client.end();
  const failures = run.allowed.shown ? [] : [...recount.failures, ...different];
  return { ...driven, findings: checker.findings, failures, figures: recount.figures };
}

/** A chat that its first message made is known from then on. @param {import('./client.mjs').Client} client @param {import('./ledger.mjs').Ledger} ledger @param {Map<string, Pair>} byName */
function learnRooms(client, ledger, byName) {
  const { onMessage } = client;
  client.onMessage = (message) => {
    const pair = byName.get(ledger.find(message.text)?.conversation ?? '');
    if (pair?.room === 0) pair.room = addressOf(message.id).room;
    onMessage(message);
  };
}

/** What a person's own socket sent is not shown to it in every dialect. @param {Person} person @param {import('./ledger.mjs').Ledger} ledger @param {number} n */
function isOptional({ user, speech }, ledger, n) {
  return !speech.echoes && ledger.entries[n]?.from === user;
}

/** @param {Pair} pair @param {ReadonlyMap<number, RoomLog>} logs @param {import('./ledger.mjs').Ledger} ledger */
function caughtUp({ room, ends }, logs, ledger) {
  const at = logs.get(room)?.at ?? [];
  return ends.every(({ person, client }) => {
    const due = at.findLastIndex((n) => n !== undefined && !isOptional(person, ledger, n));
    return client.track(room).last >= due;
  });
}

/** @param {import('./run.mjs').Run} run @param {number} i */
function baseOf({ world }, i) {
  return /** @type {string} */ (world.bases[i % world.bases.length]);
}

/** @param {Pair} pair @param {string} base @returns {Promise<Line[]>} */
async function chatHistory({ room, ends }, base) {
  /** @type {{ id: number, content: string, sender: { id: unknown }, is_read: boolean }[]} */
  const messages = await expect('GET', `${base}/chat/chats/${room}/messages/`, {
    token: ends[0]?.person.token ?? '',
  });
  return messages.map(({ id, content, sender, is_read }) => ({
    id,
    text: content,
    sender: sender.id,
    read: is_read,
  }));
}

/**
 * Acknowledged receipts are in the histories, and unread counts are what a recount gives.
 * @param {import('./run.mjs').Run} run
 * @param {readonly Person[]} people
 * @param {readonly Pair[]} pairs
 * @param {ReadonlyMap<number, Line[]>} lines
 * @param {Receipts} receipts
 */
async function recountReceipts(run, people, pairs, lines, receipts) {
  let lost = 0;
  for (const [room, messages] of lines) {
    for (const { id, read } of messages) {
      if (!read && receipts.acknowledged.has(`${room}/${addressOf(id).offset}`)) lost += 1;
    }
  }
  /** @type {string[]} */
  const wrong = [];
  let counted = 0;
  await mapAtOnce(people, AT_ONCE, async ({ user, token }, i) => {
    /** @type {{ chat_id: string, unread_count: number }[]} */
    const chats = await expect('GET', `${baseOf(run, i)}/chat_history`, { token });
    const said = new Map(chats.map(({ chat_id, unread_count }) => [Number(chat_id), unread_count]));
    for (const { room, ends } of pairs) {
      if (room === 0 || !ends.some(({ person }) => person.user === user)) continue;
      const unread = (lines.get(room) ?? []).filter(
        ({ sender, read }) => !read && !namesUser(sender, user),
      ).length;
      counted += 1;
      if (said.get(room) !== unread)
        wrong.push(`${user} in ${room}: ${said.get(room)} unread, recounted ${unread}`);
    }
  });
  const figures = {
    receipts: { made: receipts.made, acknowledged: receipts.acknowledged.size, lost },
    'unread counts': { counted, wrong: wrong.length },
  };
  const failures = wrong.slice(0, 5);
  if (lost > 0) failures.push(`${lost} acknowledged receipts are in no history`);
  return { figures, failures };
}

/**
 * The same messages, ids and marks in every dialect, whichever end asks.
 * @param {import('./run.mjs').Run} run
 * @param {readonly Pair[]} pairs
 * @param {ReadonlyMap<number, Line[]>} lines
 */
async function compareHistories(run, pairs, lines) {
  /** @type {string[]} */
  const failures = [];
  await mapAtOnce(pairs, AT_ONCE, async ({ room, ends }, i) => {
    const [{ person: one }, { person: other }] =
      /** @type {[import('./people.mjs').End, import('./people.mjs').End]} */ (ends);
    const base = baseOf(run, i + 1);
    const { token } = one;
    const [skillarena, netrox, conversations] = await Promise.all([
      expect('GET', `${base}/chat_history/${other.user}`, { token }),
      expect('GET', `${base}/chat/messages/${other.user}/`, { token }),
      expect('GET', `${base}/api/conversations/${uuidOf('room', room)}`, { token }),
    ]);
    /** @type {[string, [unknown, unknown, unknown][]][]} */
    const told = [
      [
        'skillarena',
        skillarena.map((/** @type {any} */ m) => [m.message_id, m.message, m.status === 'read']),
      ],
      ['netrox', netrox.entity.messages.map((/** @type {any} */ m) => [m.id, m.message, m.seen])],
      ['conversations', conversations.map((/** @type {any} */ m) => [m.message_id, m.message, undefined])],
    ];
    const expected = lines.get(room) ?? [];
    for (const [name, messages] of told) {
      const same =
        messages.length === expected.length &&
        expected.every(({ id, text, read }, j) => {
          const [itsId, itsText, itsRead] = messages[j] ?? [];
          return sameId(itsId, id) && itsText === text && (itsRead === undefined || itsRead === read);
        });
      if (!same) failures.push(`room ${room}: ${name} tells another history than chats`);
    }
  });
  return failures;
}

/** @param {unknown} one @param {number} other */
function sameId(one, other) {
  const { room, offset } = addressOf(one);
  const address = addressOf(other);
  return room === address.room && offset === address.offset;
}
