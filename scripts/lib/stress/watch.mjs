/** Memory and file descriptors of a process over time. */

const EVERY_MS = 500;

export class Watch {
  #program;
  /** @type {{ memoryMb: number, descriptors: number }[]} */
  #samples = [];
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {import('./program.mjs').Program} program */
  constructor(program) {
    this.#program = program;
  }

  start() {
    this.#timer = setInterval(() => {
      if (!this.#program.alive) return;
      const { residentMb, descriptors } = this.#program;
      this.#samples.push({ memoryMb: residentMb, descriptors });
    }, EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** The medians of each third of the time. */
  thirds() {
    const length = Math.ceil(this.#samples.length / 3);
    const parts = [0, 1, 2].map((i) => this.#samples.slice(i * length, (i + 1) * length));
    return {
      memoryMb: parts.map((part) => Math.round(median(part.map(({ memoryMb }) => memoryMb)) * 10) / 10),
      descriptors: parts.map((part) => median(part.map(({ descriptors }) => descriptors))),
    };
  }
}

/** @param {number[]} values */
function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
