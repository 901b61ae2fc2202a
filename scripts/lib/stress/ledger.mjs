/** Every message that a run sends, and what became of it. */

/**
 * @typedef {object} Entry
 * @property {number} n its number, which its text begins with
 * @property {string} text
 * @property {string} ref the same at every attempt
 * @property {string} conversation
 * @property {string} from who sends it, where that matters
 * @property {number} attempts
 * @property {number} firstAt when it was first written (monotonic ms)
 * @property {number} lastAt when it was last written
 * @property {number} ackedAt 0: not acknowledged
 * @property {unknown} ackId the id that the acknowledgement named
 * @property {number} answers frames that answered a repeated key, so far
 * @property {boolean} disturbed sent while a fault was being healed
 */

const TEXT = /^m(\d+) /;

export class Ledger {
  /** @type {Entry[]} */
  entries = [];
  attempts = 0;
  acknowledged = 0;
  #prefix;

  /** @param {string} prefix of refs */
  constructor(prefix) {
    this.#prefix = prefix;
  }

  /** @param {string} conversation @param {string} [words] @returns {Entry} */
  create(conversation, words = 'the quick brown fox jumps over the lazy dog') {
    const n = this.entries.length;
    /** @type {Entry} */
    const entry = {
      n,
      text: `m${n} ${words}`,
      ref: `${this.#prefix}-${n}`,
      conversation,
      from: '',
      attempts: 0,
      firstAt: 0,
      lastAt: 0,
      ackedAt: 0,
      ackId: undefined,
      answers: 0,
      disturbed: false,
    };
    this.entries.push(entry);
    return entry;
  }

  /** @param {Entry} entry @param {boolean} disturbed */
  attempted(entry, disturbed) {
    entry.lastAt = performance.now();
    if (entry.attempts === 0) {
      entry.firstAt = entry.lastAt;
      entry.disturbed = disturbed;
    }
    entry.attempts += 1;
    this.attempts += 1;
  }

  /** @param {Entry} entry @param {unknown} id */
  acked(entry, id) {
    if (entry.ackedAt) return;
    entry.ackedAt = performance.now();
    entry.ackId = id;
    this.acknowledged += 1;
  }

  /** The entry whose text this is. @param {string} text @returns {Entry | undefined} */
  find(text) {
    const found = TEXT.exec(text);
    return found ? this.entries[Number(found[1])] : undefined;
  }
}
