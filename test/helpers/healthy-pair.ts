/** Two people on two nodes who chat while something is done to the nodes, and must not notice. */

import type { Test } from 'tap';
import { request } from './http.js';
import type { TestNode } from './node.js';
import { framesOf, heard, shown } from './rooms.js';
import type { TestSocket } from './socket.js';
import { within } from './wait.js';

/** Words they say at the least, so that a short time counts too. */
const WORDS = 20;

/** They talk, one after the other, each hearing every word before the next, until they are told to stop. */
export class HealthyPair {
  #sent = 0;
  #stopped = false;
  readonly #talking: Promise<void>;
  readonly #sockets: readonly [TestSocket, TestSocket];
  readonly #from: readonly [number, number];

  /** Sockets of the rooms document, in one room in which nobody else says anything. */
  constructor(ann: TestSocket, bob: TestSocket) {
    this.#sockets = [ann, bob];
    this.#from = [shown(ann).length, shown(bob).length];
    this.#talking = this.#talk();
  }

  async #talk(): Promise<void> {
    const [ann, bob] = this.#sockets;
    while (!this.#stopped || this.#sent < WORDS) {
      const [from, to] = this.#sent % 2 === 0 ? [ann, bob] : [bob, ann];
      this.#sent += 1;
      from.send({ type: 'text', content: `word ${this.#sent}` });
      await Promise.all([heard(from, `word ${this.#sent}`), heard(to, `word ${this.#sent}`)]);
    }
  }

  /** Ends the talk: every word was heard once and in order, no error came, and the nodes are well and blame themselves for nothing. */
  async untroubled(t: Test, nodes: readonly TestNode[]): Promise<void> {
    this.#stopped = true;
    await within('the last word', this.#talking, 30_000);
    t.ok(this.#sent >= WORDS, `${this.#sent} words`);
    const said = Array.from({ length: this.#sent }, (_, i) => `word ${i + 1}`);
    for (const [i, socket] of this.#sockets.entries()) {
      const words = shown(socket).slice(this.#from[i]);
      t.same(
        words.map(({ content }) => content),
        said,
        'every word once, in order',
      );
      t.same(framesOf(socket, 'error'), [], 'no error reached them');
    }
    t.same(ownFaults(nodes), [], 'no node blames itself');
    for (const node of nodes) {
      t.equal((await request('GET', `${node.url}/readyz`)).status, 200);
      t.equal(node.proc.exitCode, null);
    }
  }
}

/** Lines in which a node says that something was its own fault. */
function ownFaults(nodes: readonly TestNode[]): string[] {
  return nodes.flatMap((node) => node.logs().filter((line) => !/"level":[1-4]0/.test(line)));
}
