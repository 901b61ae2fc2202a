/** A load test from its first token to its result. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fail.mjs';
import { Ledger } from '../stress/ledger.mjs';
import { Random } from '../stress/random.mjs';
import { Tally, Times } from '../stress/tally.mjs';
import { poll } from '../wait.mjs';
import { compare } from './book.mjs';
import { makePlaces } from './people.mjs';

const TICK_MS = 10;
const SHOW_EVERY_MS = 5_000;
/** How often each client asks for a place to go on from. */
const MARK_EVERY_MS = 5_000;
/** How long what is under way may take to arrive at the end. */
const SETTLE_MS = 20_000;
const CONNECT_MS = 30_000;

/** @typedef {import('./people.mjs').Place} Place */

export class LoadTest {
  #options;
  #say;
  #run = `load-${Date.now().toString(36)}`;
  #tally = new Tally();
  #acks = new Times();
  #ledger;
  /** @type {Place[]} */
  #places = [];
  /** @type {import('../stress/client.mjs').Client[]} */
  #clients = [];
  /** @type {Map<import('../stress/ledger.mjs').Entry, Place>} */
  #sentTo = new Map();
  #stopped = false;

  /** @param {import('./options.mjs').Options} options @param {(line: string) => void} say */
  constructor(options, say) {
    this.#options = options;
    this.#say = say;
    this.#ledger = new Ledger(this.#run);
  }

  /** Ends the load early; what is under way is still waited for. */
  stop() {
    this.#stopped = true;
  }

  /** @throws Fault when it cannot even begin */
  async run() {
    const { url, dialect, users, rate, duration, ramp } = this.#options;
    const random = new Random(Date.now());
    const world = {
      bases: [url],
      ledger: this.#ledger,
      tally: this.#tally,
      random,
      state: { disturbed: false },
    };
    this.#places = await makePlaces(this.#options, world, this.#run);
    this.#clients = this.#places.flatMap(({ members }) => members);
    this.#say(`${dialect} at ${url}: ${users} users, ${this.#places.length} rooms`);
    await this.#connect();
    this.#say(`${this.#clients.length} sockets after ${ramp} s; ${rate} messages a second for ${duration} s`);
    const startedAt = performance.now();
    const marks = setInterval(() => this.#mark(), MARK_EVERY_MS);
    const shown = setInterval(() => this.#show(startedAt), SHOW_EVERY_MS);
    await this.#load(random, startedAt);
    const seconds = (performance.now() - startedAt) / 1_000;
    const whole = await poll(() => this.#isWhole(), SETTLE_MS, 200);
    clearInterval(marks);
    clearInterval(shown);
    const result = { ...this.#result(seconds), settled: whole };
    for (const client of this.#clients) client.end();
    return result;
  }

  async #connect() {
    const { ramp } = this.#options;
    const startedAt = performance.now();
    const step = (ramp * 1_000) / this.#clients.length;
    for (const [i, client] of this.#clients.entries()) {
      await sleep(Math.max(0, startedAt + i * step - performance.now()));
      void client.connect();
    }
    const ready = Promise.all(this.#clients.map(({ established }) => established)).then(() => true);
    if (await Promise.race([ready, sleep(CONNECT_MS, false)])) return;
    const open = this.#clients.filter(({ isOpen }) => isOpen).length;
    const why = [...this.#tally.refusals].map(([what, n]) => `${n} x ${what}`).join('; ');
    throw new Fault(`Only ${open} of ${this.#clients.length} sockets came about. ${why}`);
  }

  /** @param {Random} random @param {number} startedAt */
  async #load(random, startedAt) {
    const { rate, duration } = this.#options;
    let sent = 0;
    while (!this.#stopped && performance.now() - startedAt < duration * 1_000) {
      const due = ((performance.now() - startedAt) / 1_000) * rate;
      for (; sent < due; sent += 1) this.#send(random);
      await sleep(TICK_MS);
    }
  }

  /** @param {Random} random */
  #send(random) {
    const place = random.pick(this.#places);
    const at = random.pick(place.members.map((_, i) => i));
    const client = /** @type {import('../stress/client.mjs').Client} */ (place.members[at]);
    const entry = this.#ledger.create(String(place.room), 'x'.repeat(Math.max(1, this.#options.bytes - 8)));
    entry.from = client.user;
    this.#sentTo.set(entry, place);
    client.send(entry, place.users[1 - at] ?? '');
  }

  #mark() {
    for (const client of this.#clients) client.mark();
  }

  /** @param {number} startedAt */
  #show(startedAt) {
    const { acknowledged, entries } = this.#ledger;
    const { received, delivery, errors, closes } = this.#tally;
    const open = this.#clients.filter(({ isOpen }) => isOpen).length;
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    this.#say(
      `${seconds} s: ${open} sockets, ${entries.length} sent, ${acknowledged} acknowledged, ${received} received, ` +
        `p50 ${delivery.percentile(0.5) ?? '-'} ms, p99 ${delivery.percentile(0.99) ?? '-'} ms, ` +
        `${errors.sum} errors, ${closes.sum} closed`,
    );
  }

  #isWhole() {
    if (this.#clients.some(({ isOpen, pending }) => !isOpen || pending.size > 0)) return false;
    return compare(this.#places, this.#sentTo).lost === 0;
  }

  /** @param {number} seconds */
  #result(seconds) {
    const { entries, acknowledged } = this.#ledger;
    for (const { ackedAt, firstAt } of entries) if (ackedAt > 0) this.#acks.add(ackedAt - firstAt);
    const { received, delivery, errors, closes, refusals } = this.#tally;
    return {
      seconds,
      sent: entries.length,
      acknowledged,
      received,
      ...compare(this.#places, this.#sentTo),
      resets: this.#clients.reduce((sum, { resets }) => sum + resets, 0),
      errors: Object.fromEntries(errors),
      closes: Object.fromEntries(closes),
      refusals: Object.fromEntries(refusals),
      ackMs: quantiles(this.#acks),
      deliveryMs: quantiles(delivery),
      histogram: delivery.histogram(),
    };
  }
}

/** @param {Times} times */
function quantiles(times) {
  return {
    p50: times.percentile(0.5),
    p90: times.percentile(0.9),
    p99: times.percentile(0.99),
    p999: times.percentile(0.999),
  };
}
