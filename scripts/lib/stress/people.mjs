/** The people of the scenario `pairs`: a ring, in which each talks with both neighbours. */

import { Client } from './client.mjs';
import { expect, mapAtOnce } from './http.mjs';
import { numberOf } from './ids.mjs';
import { chats } from './speech/chats.mjs';
import { conversations } from './speech/conversations.mjs';
import { netrox } from './speech/netrox.mjs';
import { rooms } from './speech/rooms.mjs';
import { skillarena } from './speech/skillarena.mjs';

const SPEECHES = [skillarena, netrox, chats, conversations, rooms];
const AT_ONCE = 24;

/**
 * @typedef {object} Person
 * @property {string} user
 * @property {string} token
 * @property {import('./client.mjs').Speech} speech
 * @property {Client[]} clients
 */

/**
 * @typedef {object} Pair
 * @property {string} name
 * @property {number} room 0 until it is known
 * @property {End[]} ends two
 */

/** @typedef {{ person: Person, client: Client }} End */

/**
 * Makes the people and their chats, but leaves some chats to be made by their first message.
 * @param {import('./run.mjs').Run} run
 * @returns {Promise<{ people: Person[], pairs: Pair[], clients: Client[] }>}
 */
export async function makePeople(run) {
  const { options, world, random, token } = run;
  const base = (/** @type {number} */ i) => /** @type {string} */ (world.bases[i % world.bases.length]);
  const people = await Promise.all(
    Array.from({ length: Math.max(3, options.pairs) }, async (_, i) => {
      // Ids of both kinds: opaque ones, and numbers, which some documents write as UUIDs.
      const user = i % 2 === 0 ? `person-${i}` : String(5_000_000 + i);
      return {
        user,
        token: await token(user),
        speech: random.pick(SPEECHES),
        clients: /** @type {Client[]} */ ([]),
      };
    }),
  );
  // The first valid token makes a person known.
  await mapAtOnce(people, AT_ONCE, async ({ user, token: mine }, i) => {
    await expect('GET', `${base(i)}/api/v1/users/${user}`, { token: mine });
  });
  const plans = people.map((one, i) => {
    const other = /** @type {Person} */ (people[(i + 1) % people.length]);
    return { one, other, early: !one.speech.wide || !other.speech.wide || random.next() < 0.5 };
  });
  const numbers = await mapAtOnce(plans, AT_ONCE, async ({ one, other, early }, i) =>
    early ? openChat(one, other, base(i), base(i + 1)) : 0,
  );
  const pairs = plans.map(({ one, other }, i) => {
    const room = /** @type {number} */ (numbers[i]);
    const ends = [one, other].map((person, j) => ({ person, client: clientFor(world, person, room, i + j) }));
    return { name: `pair ${i}`, room, ends };
  });
  return { people, pairs, clients: people.flatMap(({ clients }) => clients) };
}

/** Both ends open the chat at the same moment, on two nodes and in two dialects: it must be one room. @param {Person} one @param {Person} other @param {string} baseOne @param {string} baseOther */
async function openChat(one, other, baseOne, baseOther) {
  const [chat, conversation] = await Promise.all([
    expect('POST', `${baseOne}/chat/chats/start/`, { token: one.token, body: { user_id: other.user } }),
    expect('POST', `${baseOther}/api/conversations`, {
      token: other.token,
      body: { participant_id: one.user },
    }),
  ]);
  const room = numberOf(conversation.conversation_id);
  if (chat.id !== room)
    throw new Error(`${one.user} and ${other.user} have two rooms: ${chat.id} and ${room}`);
  return room;
}

/** A person's socket for a chat: one for all where the dialect has such, else one each. @param {import('./client.mjs').World} world @param {Person} person @param {number} room @param {number} at */
function clientFor(world, { user, token, speech, clients }, room, at) {
  const [wide] = speech.wide ? clients : [];
  if (wide) return wide;
  const client = new Client(world, { user, token, speech, room: speech.wide ? '' : String(room), at });
  clients.push(client);
  return client;
}
