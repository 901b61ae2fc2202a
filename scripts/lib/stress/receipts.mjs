/** Read marks: made in every way that the dialects have, and remembered where they were acknowledged. */

import { addressOf, numberOf } from './ids.mjs';

const PART = 0.3;
const MOST_DELAY_MS = 800;
const SETTLE_MS = 1_000;

export class Receipts {
  /** What was acknowledged as read: `room/offset`. @type {Set<string>} */
  acknowledged = new Set();
  made = 0;
  /** Marks that are still to be made, or to be answered. */
  open = 0;
  #random;
  #posts;

  /** @param {import('./random.mjs').Random} random @param {import('./posts.mjs').Posts} posts */
  constructor(random, posts) {
    this.#random = random.fork();
    this.#posts = posts;
  }

  /** Lets a person's socket read some of what it gets. @param {import('./client.mjs').Client} client */
  attach(client) {
    client.onMessage = ({ id, mine }) => {
      if (mine || this.#random.next() > PART) return;
      this.open += 1;
      setTimeout(() => void this.#mark(client, numberOf(id)), this.#random.next() * MOST_DELAY_MS);
    };
    client.onAck = (ref, id) => {
      if (String(ref).startsWith('seen-')) this.#acked(id);
    };
    // What comes back to a message's sender is stored; `stop` ends its repetition.
    client.onReceipt = (data) => {
      if (data.status === 'read') this.#acked(data.message_id);
      client.say({ type: 'receipt_update', data: { ...data, stop: true } });
    };
  }

  /** @param {import('./client.mjs').Client} client @param {number} id */
  async #mark(client, id) {
    this.made += 1;
    // What goes by socket is not always answered: it has a moment to arrive.
    const sent = () => setTimeout(() => (this.open -= 1), SETTLE_MS);
    const { speech, user, token } = client;
    if (speech.name === 'netrox' && this.#random.next() < 0.7) {
      client.say({ action: 'message_seen', chat_id: id, ref: `seen-${id}` });
      sent();
    } else if (speech.name === 'skillarena' && this.#random.next() < 0.7) {
      const data = { chat_id: String(addressOf(id).room), user_id: user, message_id: String(id) };
      client.say({ type: 'receipt_update', data: { ...data, status: 'delivered', stop: false } });
      client.say({ type: 'receipt_update', data: { ...data, status: 'read', stop: false } });
      sent();
    } else {
      if (await this.#posts.read(token, id)) this.#acked(id);
      this.open -= 1;
    }
  }

  /** @param {unknown} id */
  #acked(id) {
    const { room, offset } = addressOf(id);
    this.acknowledged.add(`${room}/${offset}`);
  }
}
