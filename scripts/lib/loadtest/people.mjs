/** Who takes part in a load test: people with tokens, in rooms or in pairs. */

import { Fault } from '../fail.mjs';
import { Client } from '../stress/client.mjs';
import { expect, mapAtOnce } from '../stress/http.mjs';
import { chats } from '../stress/speech/chats.mjs';
import { conversations } from '../stress/speech/conversations.mjs';
import { netrox } from '../stress/speech/netrox.mjs';
import { rooms } from '../stress/speech/rooms.mjs';
import { skillarena } from '../stress/speech/skillarena.mjs';
import { mintToken } from '../token.mjs';

/** @typedef {import('../stress/client.mjs').Speech} Speech */

/** @type {Record<string, Speech>} */
export const SPEECHES = { rooms, chats, conversations, skillarena, netrox };
const DIRECT = [chats, conversations, skillarena, netrox];
const AT_ONCE = 16;

/** @typedef {{ user: string, token: string }} Person */

/**
 * @typedef {object} Place a room with the sockets that read it
 * @property {number} room
 * @property {Client[]} members
 * @property {readonly string[]} users of the same indices
 */

/**
 * Makes people, and rooms or chats for them; nobody is connected yet.
 * @param {import('./options.mjs').Options} options
 * @param {import('../stress/client.mjs').World} world
 * @param {string} run a name that no other run has
 * @returns {Promise<Place[]>}
 */
export async function makePlaces(options, world, run) {
  const indices = Array.from({ length: options.users }, (_, i) => i);
  const people = await mapAtOnce(indices, AT_ONCE, (i) => makePerson(options, `${run}-${i}`));
  return options.dialect === 'rooms'
    ? makeRooms(options, world, people, run)
    : makePairs(options, world, people);
}

/** @param {import('./options.mjs').Options} options @param {string} name @returns {Promise<Person>} */
async function makePerson({ url, env }, name) {
  if (env.JWT_SECRET) return { user: name, token: await mintToken(env, name) };
  const made = await expect('POST', `${url}/api/v1/users`, { body: { username: name } }).catch((error) => {
    throw new Fault(`No person could be made, and JWT_SECRET is not set: ${error.message}`);
  });
  // Where users are believed, rooms need no token; the other APIs always do.
  return { user: made.id, token: made.access_token ?? '' };
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {import('../stress/client.mjs').World} world
 * @param {readonly Person[]} people
 * @param {string} run
 */
async function makeRooms({ url, rooms: count }, world, people, run) {
  const indices = Array.from({ length: count }, (_, i) => i);
  const token = /** @type {Person} */ (people[0]).token;
  return mapAtOnce(indices, AT_ONCE, async (i) => {
    const { id } = await expect('POST', `${url}/api/v1/rooms`, { token, body: { name: `${run} ${i}` } });
    const here = people.filter((_, j) => j % count === i);
    const members = here.map((person) => new Client(world, { ...person, speech: rooms, room: id, at: 0 }));
    return { room: Number(id), members, users: here.map(({ user }) => user) };
  });
}

/**
 * @param {import('./options.mjs').Options} options
 * @param {import('../stress/client.mjs').World} world
 * @param {readonly Person[]} people
 */
async function makePairs({ url, dialect }, world, people) {
  if (people.some(({ token }) => token === ''))
    throw new Fault(`${dialect} wants tokens, and POST /api/v1/users gave none: set JWT_SECRET.`);
  // Whoever is written to must be known: the first token of a person sees to that.
  await mapAtOnce(people, AT_ONCE, ({ token }) => expect('GET', `${url}/chat/chats/`, { token }));
  const pairs = Array.from({ length: Math.floor(people.length / 2) }, (_, i) =>
    people.slice(2 * i, 2 * i + 2),
  );
  return mapAtOnce(pairs, AT_ONCE, async (pair, i) => {
    const [one, other] = /** @type {[Person, Person]} */ (pair);
    const body = { user_id: other.user };
    const { id } = await expect('POST', `${url}/chat/chats/start/`, { token: one.token, body });
    const members = pair.map((person, j) => {
      const speech = SPEECHES[dialect] ?? /** @type {Speech} */ (DIRECT[(i + j) % DIRECT.length]);
      return new Client(world, { ...person, speech, room: speech.wide ? '' : String(id), at: 0 });
    });
    return { room: Number(id), members, users: pair.map(({ user }) => user) };
  });
}
