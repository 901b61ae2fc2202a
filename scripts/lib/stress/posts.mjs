/** Requests of a run that must succeed in the end: sends with an idempotency key, and read marks. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './http.mjs';
import { uuidOf } from './ids.mjs';

const TRIES = 60;
const RETRY_MS = 300;
const MAX_RETRY_MS = 2_000;

export class Posts {
  /** Requests without a final answer. */
  open = 0;
  #world;
  #random;

  /** @param {import('./client.mjs').World} world */
  constructor(world) {
    this.#world = world;
    this.#random = world.random.fork();
  }

  /**
   * Sends a message through one of the documents that send by HTTP.
   * @param {import('./ledger.mjs').Entry} entry
   * @param {import('./people.mjs').Person} person
   * @param {number} room
   */
  async send(entry, { user, token }, room) {
    const { ledger, state } = this.#world;
    const [path, body] = this.#random.pick([
      [`/chat/chats/${room}/messages/`, { content: entry.text }],
      ['/api/messages/', { conversation_id: uuidOf('room', room), sender_id: user, message: entry.text }],
      [`/api/v1/rooms/${room}/messages`, { content: entry.text, user_id: user, type: 'text' }],
    ]);
    const answer = await this.#persist('POST', /** @type {string} */ (path), {
      token,
      key: entry.ref,
      body: /** @type {object} */ (body),
      attempted: () => ledger.attempted(entry, state.disturbed),
    });
    if (answer) ledger.acked(entry, answer.body.id ?? answer.body.message_id);
  }

  /** Marks a message as read; answers whether that was acknowledged. @param {string} token @param {number} id */
  async read(token, id) {
    return (await this.#persist('PATCH', `/chat/messages/${id}/read/`, { token })) !== undefined;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{ token: string, key?: string, body?: object, attempted?: () => void }} options
   */
  async #persist(method, path, { attempted = () => undefined, ...options }) {
    const { bases, tally } = this.#world;
    let at = this.#random.between(0, bases.length);
    this.open += 1;
    try {
      for (let i = 0; i < TRIES; i += 1) {
        attempted();
        const answer = await ask(method, `${bases[at % bases.length]}${path}`, options).catch(
          () => undefined,
        );
        if (answer && answer.status < 300) return answer;
        if (answer) tally.errors.add(`HTTP ${answer.status}: ${JSON.stringify(answer.body).slice(0, 120)}`);
        else tally.refusals.add('HTTP: no answer');
        at += 1;
        await sleep(this.#random.next() * Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** i));
      }
      return undefined;
    } finally {
      this.open -= 1;
    }
  }
}
