/** One socket of one person: sends, takes, keeps what came in which order, and resumes where it was. */

import { addressOf } from './ids.mjs';
import { Link } from './link.mjs';

/** What a reader has of one room: offsets with the numbers of their messages, in the order in which they came. */
export class Track {
  /** @type {number[]} */
  offsets = [];
  /** @type {number[]} */
  numbers = [];
  /** Where the record begins: everything after it is due. */
  base = 0;
  /** Whether the reader comes back by cursors, which tell that a place in the log has another message now; ids do not. */
  exact;

  /** @param {boolean} exact */
  constructor(exact) {
    this.exact = exact;
  }

  get last() {
    return this.offsets.at(-1) ?? this.base;
  }

  /** @param {number} length */
  cut(length) {
    this.offsets.length = Math.min(length, this.offsets.length);
    this.numbers.length = this.offsets.length;
  }
}

/**
 * @typedef {object} World what all clients of a run share
 * @property {readonly string[]} bases
 * @property {import('./ledger.mjs').Ledger} ledger
 * @property {import('./tally.mjs').Tally} tally
 * @property {import('./random.mjs').Random} random
 * @property {{ disturbed: boolean }} state
 * @property {Set<string>[]} [shown] what readers were shown through each node: room/offset/number of the message
 */

/**
 * @typedef {object} Taken what a frame says, in any dialect
 * @property {{ id: unknown, text: string, ref?: unknown, mine?: boolean }[]} [messages]
 * @property {boolean} [live] whether the messages come one by one
 * @property {{ ref: unknown, id: unknown }} [ack] an acknowledgement that is no message
 * @property {{ detail: string, ref: unknown }} [error]
 * @property {string} [cursor]
 * @property {boolean} [reset]
 * @property {Record<string, unknown>} [receipt] a receipt update that asks for an answer
 */

/**
 * @typedef {object} Speech how a client speaks a dialect
 * @property {string} name
 * @property {boolean} wide whether one socket carries all rooms of a person
 * @property {boolean} echoes whether a sender's own socket gets its message
 * @property {(at: { user: string, token: string, room: string, base: string }) => string | Promise<string>} target path and query, without `since`
 * @property {(out: { text: string, ref: string, to: string }) => object} message
 * @property {() => object} askCursor
 * @property {(frame: Record<string, unknown>, user: string) => Taken} read
 */

export class Client {
  user;
  token;
  speech;
  /** The room that the dialect's socket is for; '' where it is for all. */
  room;
  /** @type {Map<number, Track>} */
  tracks = new Map();
  /** Sends without an answer. @type {Set<import('./ledger.mjs').Entry>} */
  pending = new Set();
  resets = 0;
  /** @type {(receipt: Record<string, unknown>) => void} */
  onReceipt = () => undefined;
  /** Acknowledgements of anything. @type {(ref: unknown, id: unknown) => void} */
  onAck = () => undefined;
  /** @type {(message: { id: unknown, text: string, mine: boolean }) => void} */
  onMessage = () => undefined;
  /** @type {Map<import('./ledger.mjs').Entry, string>} to whom */
  #to = new Map();
  #world;
  #link;
  /** Whether it resumes by cursors, which may be older than what it has; else by its newest message's id. */
  #byCursor;
  #cursor = '';
  /** How long each track was when the cursor came. @type {Map<number, number>} */
  #marks = new Map();
  /** The newest message id. */
  #newest = '';
  /** @type {() => void} */
  #established = () => undefined;
  /** Settles once there is a place to resume from. */
  established = new Promise((/** @type {(value: void) => void} */ resolve) => {
    this.#established = resolve;
  });

  /**
   * @param {World} world
   * @param {{ user: string, token: string, speech: Speech, room?: string, at: number }} options
   */
  constructor(world, { user, token, speech, room = '', at }) {
    this.user = user;
    this.token = token;
    this.speech = speech;
    this.room = room;
    this.#world = world;
    const random = world.random.fork();
    this.#byCursor = speech.wide || random.next() < 0.5;
    this.#link = new Link({
      bases: world.bases,
      at,
      random,
      tally: world.tally,
      headers: { authorization: `Bearer ${token}` },
      target: (base) => this.#target(base),
      onOpen: () => this.#onOpen(),
      onFrame: (frame) => this.#onFrame(frame),
    });
  }

  get isOpen() {
    return this.#link.isOpen;
  }

  get opens() {
    return this.#link.opens;
  }

  connect() {
    return this.#link.connect();
  }

  /** Cuts the connection, and stays away until {@link Client.connect}. */
  leave() {
    this.#link.leave();
  }

  end() {
    this.#link.end();
  }

  /** Asks for a place to resume from. */
  mark() {
    this.#link.send(this.speech.askCursor());
  }

  /** @param {object} frame */
  say(frame) {
    return this.#link.send(frame);
  }

  /**
   * Sends now, or once the socket is open again; until it is acknowledged.
   * @param {import('./ledger.mjs').Entry} entry
   * @param {string} to the other person, where the dialect addresses people
   */
  send(entry, to = '') {
    this.pending.add(entry);
    this.#to.set(entry, to);
    this.attempt(entry);
  }

  /** @param {import('./ledger.mjs').Entry} entry */
  attempt(entry) {
    const { ledger, state } = this.#world;
    const frame = this.speech.message({ text: entry.text, ref: entry.ref, to: this.#to.get(entry) ?? '' });
    if (this.isOpen && this.#link.send(frame)) ledger.attempted(entry, state.disturbed);
  }

  /** @param {number} room */
  track(room) {
    const track = this.tracks.get(room) ?? new Track(this.#byCursor);
    this.tracks.set(room, track);
    return track;
  }

  /** @param {string} base */
  async #target(base) {
    const { user, token, room, speech } = this;
    const target = await speech.target({ user, token, room, base });
    const since = this.#byCursor || this.#newest === '' ? this.#cursor : this.#newest;
    if (since !== '' && since === this.#cursor) {
      for (const [number, track] of this.tracks) track.cut(this.#marks.get(number) ?? 0);
    }
    const query = since === '' ? '' : `${target.includes('?') ? '&' : '?'}since=${encodeURIComponent(since)}`;
    return `${base.replace('http', 'ws')}${target}${query}`;
  }

  #onOpen() {
    this.mark();
    for (const entry of this.pending) this.attempt(entry);
  }

  /** @param {Record<string, unknown>} frame */
  #onFrame(frame) {
    const taken = this.speech.read(frame, this.user);
    const { tally } = this.#world;
    if (taken.messages) {
      tally.received += taken.messages.length;
      for (const message of taken.messages) this.#take(message, taken.live === true);
    }
    if (taken.ack) this.#acked(taken.ack.ref, taken.ack.id);
    if (taken.error) this.#onError(taken.error);
    if (taken.receipt) this.onReceipt(taken.receipt);
    if (taken.reset) this.#onReset();
    if (taken.cursor !== undefined) {
      this.#cursor = taken.cursor;
      this.#marks = new Map([...this.tracks].map(([room, track]) => [room, track.offsets.length]));
      this.#established();
    }
  }

  /** @param {{ id: unknown, text: string, ref?: unknown, mine?: boolean }} message @param {boolean} live */
  #take(message, live) {
    const { ledger, tally } = this.#world;
    const { id, text, ref, mine = false } = message;
    const entry = ledger.find(text);
    const own = entry !== undefined && this.#to.has(entry);
    if (own && ref === entry.ref) this.#acked(ref, id);
    const { room, offset } = addressOf(id);
    const track = this.track(room);
    if (track.base < 0) track.base = offset - 1;
    // After a rollback a place that this reader knows has another message: that is no answer.
    const known = track.offsets.lastIndexOf(offset);
    const replaces = known >= 0 && track.numbers[known] !== entry?.n;
    // A repeated send is answered with its first message, to this socket only: no repeat of the message.
    if (own && !replaces && offset !== track.last + 1 && entry.answers < entry.attempts - 1) {
      entry.answers += 1;
      return;
    }
    track.offsets.push(offset);
    track.numbers.push(entry?.n ?? -1);
    this.#world.shown?.[this.#link.node]?.add(`${room}/${offset}/${entry?.n ?? -1}`);
    this.#newest = String(id);
    if (live && entry) tally.delivered(entry, performance.now());
    this.onMessage({ id, text, mine });
  }

  /** @param {unknown} ref @param {unknown} id */
  #acked(ref, id) {
    this.onAck(ref, id);
    for (const entry of this.pending) {
      if (entry.ref !== ref) continue;
      this.pending.delete(entry);
      this.#world.ledger.acked(entry, id);
      return;
    }
  }

  /** @param {{ detail: string, ref: unknown }} error */
  #onError({ detail, ref }) {
    const { tally, random } = this.#world;
    tally.errors.add(`${this.speech.name}: ${detail}`);
    for (const entry of this.pending) {
      if (entry.ref === ref)
        setTimeout(() => this.pending.has(entry) && this.attempt(entry), 200 + random.next() * 800);
    }
  }

  #onReset() {
    this.resets += 1;
    for (const track of this.tracks.values()) {
      track.cut(0);
      track.base = -1;
    }
    this.#newest = '';
  }
}
