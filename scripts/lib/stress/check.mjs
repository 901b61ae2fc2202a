/** Compares what was acknowledged, and what every reader has, with the log. */

import { addressOf } from './ids.mjs';

/**
 * @typedef {object} Findings
 * @property {number} lostFromLog acknowledged, but not in the history
 * @property {number} lostAtReaders in the log, but a reader that must have it has not
 * @property {number} duplicatedInLog
 * @property {number} duplicatedAtReaders
 * @property {number} reordered out of order at a reader, or at another place than in the log
 * @property {number} rolledBack acknowledged, then lost with Redis; only where that is allowed
 * @property {number} retracted shown to readers, then lost with Redis, each counted once; only where that is allowed
 * @property {number} hidden in the log, but not shown to a reader that came back by the id of a message whose place it took
 * @property {number} resets
 * @property {string[]} examples
 */

const EXAMPLES = 12;

/** @returns {Findings} */
export function noFindings() {
  return {
    lostFromLog: 0,
    lostAtReaders: 0,
    duplicatedInLog: 0,
    duplicatedAtReaders: 0,
    reordered: 0,
    rolledBack: 0,
    retracted: 0,
    hidden: 0,
    resets: 0,
    examples: [],
  };
}

/** A room's log: the number of the message at each offset, from 1. */
export class RoomLog {
  /** @type {(number | undefined)[]} */
  at = [];

  /**
   * @param {readonly { id: unknown, text: string }[]} messages oldest first
   * @param {import('./ledger.mjs').Ledger} ledger
   */
  constructor(messages, ledger) {
    for (const { id, text } of messages) this.at[addressOf(id).offset] = ledger.find(text)?.n ?? -1;
  }

  get head() {
    return Math.max(0, this.at.length - 1);
  }
}

/**
 * @typedef {object} Allowance what Redis may have lost: counted, but no fault of ours
 * @property {boolean} acknowledged
 * @property {boolean} shown
 */

/** @type {Allowance} */
export const NOTHING = { acknowledged: false, shown: false };

export class Checker {
  findings = noFindings();
  #ledger;
  #allowed;
  /** @type {Set<string>} */
  #retracted = new Set();

  /** @param {import('./ledger.mjs').Ledger} ledger @param {Allowance} [allowed] */
  constructor(ledger, allowed = NOTHING) {
    this.#ledger = ledger;
    this.#allowed = allowed;
  }

  /**
   * The logs against what was acknowledged.
   * @param {ReadonlyMap<number, RoomLog>} logs by room
   */
  checkLogs(logs) {
    /** @type {Map<number, string>} where each message is */
    const places = new Map();
    for (const [room, log] of logs) {
      for (let offset = 1; offset <= log.head; offset += 1) {
        const n = log.at[offset];
        if (n === undefined) this.#found('reordered', `room ${room} has no message at offset ${offset}`);
        else if (n >= 0 && places.has(n))
          this.#found('duplicatedInLog', `m${n} is at ${places.get(n)} and ${room}/${offset}`);
        else if (n >= 0) places.set(n, `${room}/${offset}`);
      }
    }
    for (const { n, ackedAt, ackId } of this.#ledger.entries) {
      if (!ackedAt) continue;
      const { room, offset } = addressOf(ackId);
      const place = places.get(n);
      if (place === undefined)
        this.#lost(`m${n} was acknowledged as ${room}/${offset}, and is in no history`);
      else if (place !== `${room}/${offset}` && !this.#allowed.acknowledged)
        this.#found('reordered', `m${n} was acknowledged as ${room}/${offset}, and is at ${place}`);
    }
  }

  /**
   * A reader's record of a room against the room's log.
   * @param {string} who
   * @param {number} room
   * @param {import('./client.mjs').Track} track
   * @param {RoomLog} log
   * @param {(n: number) => boolean} [optional] whether this reader need not have a message
   */
  checkTrack(who, room, track, log, optional = () => false) {
    const has = new Set();
    const retracted = new Set();
    let last = track.base;
    for (const [i, offset] of track.offsets.entries()) {
      const n = track.numbers[i];
      if (log.at[offset] !== n) {
        retracted.add(offset);
        this.#retract(
          `${room}/${offset}/${n}`,
          `${who} has m${n} at ${offset}, the log has m${log.at[offset]}`,
        );
        continue;
      }
      if (has.has(offset)) this.#twice(`${room}/${offset}`, /** @type {number} */ (n), who);
      else if (offset < last) this.#found('reordered', `${who} got ${offset} after ${last}`);
      has.add(offset);
      last = Math.max(last, offset);
    }
    for (let offset = Math.max(0, track.base) + 1; offset <= log.head; offset += 1) {
      const n = log.at[offset];
      if (n === undefined || has.has(offset) || optional(n)) continue;
      const hidden = retracted.has(offset) && !track.exact;
      this.#found(hidden ? 'hidden' : 'lostAtReaders', `${who} has no m${n} (${offset} of ${log.head})`);
    }
  }

  /** @param {import('./client.mjs').Client} client */
  addResets({ resets, user, speech }) {
    for (let i = 0; i < resets; i += 1)
      this.#found('resets', `${user} (${speech.name}) was told to start over`);
  }

  /** @param {string} example */
  #lost(example) {
    this.#found(this.#allowed.acknowledged ? 'rolledBack' : 'lostFromLog', example);
  }

  // What Redis lost may have been stored anew, by a repeat, at the very same place.
  #twice(/** @type {string} */ place, /** @type {number} */ n, /** @type {string} */ who) {
    const example = `${who} has m${n} (${place}) twice`;
    const repeated = (this.#ledger.entries[n]?.attempts ?? 0) > 1;
    if (this.#allowed.shown && repeated) this.#retract(`${place}/${n}`, example);
    else this.#found('duplicatedAtReaders', example);
  }

  /** @param {string} place @param {string} example */
  #retract(place, example) {
    if (!this.#allowed.shown) return this.#found('reordered', example);
    if (this.#retracted.has(place)) return;
    this.#retracted.add(place);
    this.#found('retracted', example);
  }

  /** @param {Exclude<keyof Findings, 'examples'>} kind @param {string} example */
  #found(kind, example) {
    this.findings[kind] += 1;
    if (this.findings.examples.length < EXAMPLES) this.findings.examples.push(`${kind}: ${example}`);
  }
}
