/** The sockets of one client process: they send, and count what comes back. */

import { SPEECH } from './speech.mjs';
import { Wire } from './wire.mjs';

/** A text is `@#`, its sender (6 digits), when it was sent (12 digits, µs), then filling up to its length. */
const MARK = '@#';
const SENDER_DIGITS = 6;
const TIME_DIGITS = 12;
const TEXT_BYTES = 100;
const FILLING = 'x'.repeat(TEXT_BYTES - MARK.length - SENDER_DIGITS - TIME_DIGITS);
const MARK_1 = MARK.charCodeAt(0);
const MARK_2 = MARK.charCodeAt(1);

const LIVE_MS = 60_000;
const OPENING = 64;

/**
 * @typedef {object} Peer one socket
 * @property {number} at
 * @property {string} name the digits of `at`
 * @property {import('./job.mjs').Member} member
 * @property {Wire} wire
 * @property {number} received messages
 * @property {number} next of its partners
 * @property {number} mark where the text stood in the last frame
 */

export class Crowd {
  /** @type {Peer[]} */
  peers = [];
  deliveries = 0;
  sent = 0;
  closed = 0;
  /** ms from send to receive, of some deliveries. @type {number[]} */
  latencies = [];
  /** Whether latencies are kept at present. */
  timing = false;
  /** A sender's own message came back. @type {(peer: Peer) => void} */
  onOwn = () => undefined;
  #job;
  #speech;
  /** Messages of each group. @type {number[]} */
  #groups;
  #untilSample = 1;

  /** @param {import('./job.mjs').Job} job */
  constructor(job) {
    this.#job = job;
    this.#speech = /** @type {import('./speech.mjs').Speech} */ (SPEECH[job.speech]);
    this.#groups = new Array(job.groups).fill(0);
  }

  /** Opens the sockets of members `from` up to `to`, and waits until all are live. @param {number} from @param {number} to */
  async open(from, to) {
    let next = from;
    const worker = async () => {
      while (next < to) {
        next += 1;
        await this.#openOne(next - 1);
      }
    };
    await Promise.all(Array.from({ length: OPENING }, worker));
  }

  /** @param {Peer} peer */
  send(peer) {
    const { member } = peer;
    let to = '';
    this.#groups[member.group] = this.messagesOf(member) + 1;
    if (member.partners) {
      const partner = /** @type {Peer} */ (
        this.peers[member.partners[peer.next % member.partners.length] ?? 0]
      );
      peer.next += 1;
      to = partner.member.user;
      this.#groups[partner.member.group] = this.messagesOf(partner.member) + 1;
    }
    this.sent += 1;
    const time = String(Math.round(performance.now() * 1000)).padStart(TIME_DIGITS, '0');
    peer.wire.send(this.#speech.message(`${MARK}${peer.name}${time}${FILLING}`, to));
  }

  /** How many messages this member is to have got. @param {import('./job.mjs').Member} member @returns {number} */
  messagesOf({ group }) {
    return this.#groups[group] ?? 0;
  }

  /** Whether every socket got every message of its room, and no more. */
  get complete() {
    return this.peers.every(({ received, member }) => received === this.messagesOf(member));
  }

  /** What is to arrive, what did, and sockets where the two differ. */
  count() {
    let expected = 0;
    let received = 0;
    let wrong = 0;
    for (const peer of this.peers) {
      const due = this.messagesOf(peer.member);
      expected += due;
      received += peer.received;
      if (due !== peer.received) wrong += 1;
    }
    return { expected, received, wrong };
  }

  end() {
    for (const { wire } of this.peers) wire.end();
  }

  /** @param {number} at */
  async #openOne(at) {
    const member = /** @type {import('./job.mjs').Member} */ (this.#job.members[at]);
    const { ports } = this.#job;
    const port = /** @type {number} */ (ports[at % ports.length]);
    let live = () => {};
    const isLive = new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`a socket was not live after ${LIVE_MS / 1000} s`)),
        LIVE_MS,
      );
      live = () => {
        clearTimeout(late);
        resolve();
      };
    });
    const wire = new Wire(
      { port, ...this.#speech.target(member) },
      {
        onText: (data, from, to) => this.#take(peer, data, from, to, live),
        onClosed: () => {
          this.closed += 1;
        },
      },
    );
    /** @type {Peer} */
    const peer = {
      at,
      name: String(at).padStart(SENDER_DIGITS, '0'),
      member,
      wire,
      received: 0,
      next: at,
      mark: 0,
    };
    this.peers[at] = peer;
    await wire.opened;
    for (const frame of this.#speech.greeting) wire.send(frame);
    await isLive;
  }

  /** @param {Peer} peer @param {Buffer} data @param {number} from @param {number} to @param {() => void} live */
  #take(peer, data, from, to, live) {
    if (!this.#speech.isMessage(data, from)) {
      const answer = this.#speech.answer(data, from, to);
      if (answer !== undefined) peer.wire.send(answer);
      else if (this.#speech.isLive(data, from)) live();
      return;
    }
    peer.received += 1;
    this.deliveries += 1;
    this.#untilSample -= 1;
    const sample = this.#untilSample === 0;
    if (sample) this.#untilSample = this.#job.plan.sampleEvery;
    if (!peer.member.sender && !sample) return;
    const text = this.#textIn(peer, data, from);
    if (sample && this.timing) this.#time(data, text + MARK.length + SENDER_DIGITS);
    if (peer.member.sender && isOwn(peer.name, data, text + MARK.length)) this.onOwn(peer);
  }

  /** Where the text begins: mostly where it did in the frame before. @param {Peer} peer @param {Buffer} data @param {number} from */
  #textIn(peer, data, from) {
    const guess = from + peer.mark;
    if (data[guess] === MARK_1 && data[guess + 1] === MARK_2) return guess;
    const found = data.indexOf(MARK, from, 'latin1');
    peer.mark = found - from;
    return found;
  }

  /** @param {Buffer} data @param {number} at */
  #time(data, at) {
    const micros = Number(data.toString('latin1', at, at + TIME_DIGITS));
    this.latencies.push(performance.now() - micros / 1000);
  }
}

/** @param {string} name @param {Buffer} data @param {number} at */
function isOwn(name, data, at) {
  // From the end: the last digits differ soonest.
  for (let i = SENDER_DIGITS - 1; i >= 0; i -= 1) if (data[at + i] !== name.charCodeAt(i)) return false;
  return true;
}
