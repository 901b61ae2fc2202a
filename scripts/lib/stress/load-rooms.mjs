/** The scenario `rooms`: every member must have every message of the room once, in the order of the log. */

import { poll } from '../wait.mjs';
import { Checker, RoomLog } from './check.mjs';
import { Client } from './client.mjs';
import { drive, establish } from './drive.mjs';
import { expect, mapAtOnce } from './http.mjs';
import { rooms as speech } from './speech/rooms.mjs';

const CAUGHT_UP_MS = 20_000;
const PAGE = 1_000;

/** @typedef {{ room: string, members: Client[] }} Place */

/** @param {import('./run.mjs').Run} run */
export async function runRooms(run) {
  const { options, world, stack, random, say } = run;
  const places = await makeRooms(run);
  const clients = places.flatMap(({ members }) => members);
  await establish(clients);
  say(`  ${clients.length} sockets in ${places.length} rooms; ${options.seconds} s of load`);

  const send = () => {
    const { room, members } = random.pick(places);
    random.pick(members).send(world.ledger.create(room));
  };
  const driven = await drive({ ...run, clients, send });

  const checker = new Checker(world.ledger, run.allowed);
  const logs = await readLogs(run, places);
  checker.checkLogs(logs);
  await poll(() => places.every((place) => caughtUp(place, logs)), CAUGHT_UP_MS);
  for (const { room, members } of places) {
    const log = /** @type {RoomLog} */ (logs.get(Number(room)));
    for (const member of members) {
      const who = `${member.user} in room ${room}`;
      checker.checkTrack(who, Number(room), member.track(Number(room)), log);
      checker.addResets(member);
    }
  }
  for (const client of clients) client.end();
  await stack.allReady();
  return { ...driven, findings: checker.findings, retracted: retractedBy(world, logs) };
}

/** @param {import('./run.mjs').Run} run @returns {Promise<Place[]>} */
async function makeRooms({ options, world, token }) {
  const names = Array.from({ length: options.rooms }, (_, i) => `room ${i + 1}`);
  const maker = await token('maker');
  return mapAtOnce(names, 16, async (name, i) => {
    const base = /** @type {string} */ (world.bases[i % world.bases.length]);
    const { id } = await expect('POST', `${base}/api/v1/rooms`, { token: maker, body: { name } });
    const people = Array.from({ length: options.members }, (_, j) => `p${i}-${j}`);
    const members = people.map(async (user, j) => {
      return new Client(world, { user, token: await token(user), speech, room: id, at: i + j });
    });
    return { room: String(id), members: await Promise.all(members) };
  });
}

/**
 * For each node: how many messages readers were shown through it that the log no longer has.
 * @param {import('./client.mjs').World} world
 * @param {ReadonlyMap<number, RoomLog>} logs
 */
function retractedBy({ shown = [] }, logs) {
  return shown.map((places) => {
    const gone = [...places].filter((place) => {
      const [room, offset, n] = place.split('/').map(Number);
      return logs.get(Number(room))?.at[Number(offset)] !== n;
    });
    return gone.length;
  });
}

/** @param {Place} place @param {ReadonlyMap<number, RoomLog>} logs */
function caughtUp({ room, members }, logs) {
  const log = logs.get(Number(room));
  if (!log || log.head === 0) return true;
  // The offset alone does not tell: after a rollback another message may have had it.
  return members.every((member) => member.track(Number(room)).numbers.at(-1) === log.at[log.head]);
}

/** @param {import('./run.mjs').Run} run @param {readonly Place[]} places */
async function readLogs({ world, token }, places) {
  const reader = await token('maker');
  /** @type {Map<number, RoomLog>} */
  const logs = new Map();
  await mapAtOnce(places, 8, async ({ room }, i) => {
    const base = /** @type {string} */ (world.bases[i % world.bases.length]);
    /** @type {{ id: string, text: string }[]} */
    let messages = [];
    for (;;) {
      const before = messages[0] ? `&before=${messages[0].id}` : '';
      const url = `${base}/api/v1/rooms/${room}/messages?limit=${PAGE}${before}`;
      /** @type {{ id: string, content: string }[]} */
      const page = await expect('GET', url, { token: reader });
      messages = [...page.map(({ id, content }) => ({ id, text: content })), ...messages];
      if (page.length < PAGE) break;
    }
    logs.set(Number(room), new RoomLog(messages, world.ledger));
  });
  return logs;
}
