/** Counters of all nodes, from /metrics; what a node counted before it was killed is kept. */

const DEADLINE_MS = 2_000;

export class Meter {
  #stack;
  /** The newest counters of each process that ever was. @type {Map<string, Map<string, number>>} */
  #seen = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {import('./stack.mjs').StressStack} stack */
  constructor(stack) {
    this.#stack = stack;
  }

  /** @param {number} everyMs */
  start(everyMs) {
    this.#timer = setInterval(() => void this.sample(), everyMs);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** Reads every node that answers. */
  async sample() {
    await Promise.all(
      this.#stack.nodes.map(async ({ at, url, starts }) => {
        const counters = await scrape(url).catch(() => undefined);
        if (counters) this.#seen.set(`${at}.${starts}`, counters);
      }),
    );
  }

  /** A counter without labels, over all nodes and their former lives. @param {string} name */
  total(name) {
    let sum = 0;
    for (const counters of this.#seen.values()) sum += counters.get(name) ?? 0;
    return sum;
  }

  /** @param {string} name @returns {number[]} of each node that runs now */
  byNode(name) {
    return this.#stack.nodes.map(({ at, starts }) => this.#seen.get(`${at}.${starts}`)?.get(name) ?? 0);
  }
}

/** @param {string} url */
async function scrape(url) {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(DEADLINE_MS) });
  /** @type {Map<string, number>} */
  const counters = new Map();
  for (const line of (await answer.text()).split('\n')) {
    const found = /^(\w+)(?:\{[^}]*\})? (\S+)$/.exec(line);
    if (!found?.[1]) continue;
    counters.set(found[1], (counters.get(found[1]) ?? 0) + Number(found[2]));
  }
  return counters;
}
