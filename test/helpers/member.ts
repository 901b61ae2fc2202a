/** A person in a room who comes back whenever they are cut off, and keeps book of what they saw. */

import { type ChatMessage, messagesIn, offsetOf, socketUrl } from './chat.js';
import { connect, type Frame, type TestSocket } from './socket.js';
import { type Owner, sleep, until } from './wait.js';

export interface MemberOptions {
  /** Where to connect: the next in turn after each connection that ends. */
  nodes: readonly { wsUrl: string }[];
  room: string;
  user: string;
  /** Index of the first node. */
  first?: number;
  /** What tells this socket's messages from those of other sockets of the user; the user's id if not given. */
  label?: string;
  /** Whether to come back; true unless said otherwise. */
  returns?: boolean;
  /** How long to stay away, in ms. */
  awayMs?: number;
  /** How long after a send the connection is cut, in ms, so that the same is sent again at the next node; undefined: it is not. */
  cutAfterMs?: () => number | undefined;
}

/** See {@link Member.join}. */
export class Member {
  readonly user: string;
  readonly label: string;
  readonly room: string;
  /** Every message seen, in the order of arrival; the first is the first after joining. */
  readonly seen: ChatMessage[] = [];
  /** Holes, repeats and steps back, in words. */
  readonly faults: string[] = [];
  /** Presence announcements as they came. */
  readonly announced: string[] = [];
  readonly errors: Frame[] = [];
  /** Close codes so far. */
  readonly closes: number[] = [];
  resets = 0;
  /** Messages of this member that were acknowledged: content to id. */
  readonly acknowledged = new Map<string, string>();
  /** Refs that were answered with an error. */
  readonly refused = new Map<string, string>();
  socket: TestSocket | undefined;
  readonly #t: Owner;
  readonly #options: MemberOptions;
  readonly #attempts = new Map<string, number>();
  #turn: number;
  #last: number | undefined;
  #lastId: string | undefined;
  #early = new Set<number>();
  #done = false;

  private constructor(t: Owner, options: MemberOptions) {
    this.#t = t;
    this.#options = options;
    this.user = options.user;
    this.label = options.label ?? options.user;
    this.room = options.room;
    this.#turn = options.first ?? 0;
  }

  /** Joins the room and waits for its history, of which nothing is kept but where it ends. */
  static async join(t: Owner, options: MemberOptions): Promise<Member> {
    const member = new Member(t, options);
    t.teardown(() => member.leave());
    member.#connect();
    await until(`${member.user} is in room ${member.room}`, () => member.#last !== undefined, 30_000);
    return member;
  }

  /** The newest offset seen. */
  get last(): number {
    return this.#last ?? 0;
  }

  /** Whether this member has left for good. */
  get gone(): boolean {
    return this.#done;
  }

  /** Sends beyond the first of each content. */
  get repeats(): number {
    return [...this.#attempts.values()].reduce((sum, attempts) => sum + attempts - 1, 0);
  }

  get open(): boolean {
    return this.socket?.ws.readyState === 1;
  }

  /** Sends once, with the content as `ref`; the outcome shows in `acknowledged` or `refused`. False: no connection. */
  send(content: string): boolean {
    if (!this.open) return false;
    this.#attempts.set(content, (this.#attempts.get(content) ?? 0) + 1);
    this.socket?.send({ type: 'text', content, user_id: this.user, ref: content });
    return true;
  }

  /** Sends with the same `ref` again and again, at most one attempt under way, until it is acknowledged. */
  async sendUntilAcknowledged(content: string, ms = 60_000): Promise<void> {
    const end = performance.now() + ms;
    while (!this.acknowledged.has(content)) {
      if (performance.now() > end) throw new Error(`${content} was not acknowledged within ${ms} ms`);
      const { socket } = this;
      this.refused.delete(content);
      if (!this.send(content)) {
        await sleep(20);
        continue;
      }
      const cutAfterMs = this.#options.cutAfterMs?.();
      if (cutAfterMs !== undefined) {
        await sleep(cutAfterMs);
        socket?.terminate();
      }
      const answered = () =>
        this.acknowledged.has(content) || this.refused.has(content) || this.socket !== socket || !this.open;
      await until(`an answer to ${content}`, answered, ms, 2);
      if (this.refused.has(content)) await sleep(20);
    }
  }

  /** Closes in good order and stays away. */
  async leave(): Promise<void> {
    this.#done = true;
    if (this.open) await this.socket?.close().catch(() => this.socket?.terminate());
    else this.socket?.terminate();
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.socket?.terminate();
  }

  #connect(): void {
    const node = this.#options.nodes[this.#turn % this.#options.nodes.length] as { wsUrl: string };
    this.#turn += 1;
    const socket = connect(socketUrl(node, this.room, this.user, this.#lastId), { t: this.#t });
    this.socket = socket;
    socket.ws.on('message', (data) => this.#take(JSON.parse(data.toString()) as Frame));
    void socket.closed.then(async ({ code }) => {
      if (await socket.upgradeStatus.then(() => true).catch(() => false)) this.closes.push(code);
      if (this.#done || this.#options.returns === false) return;
      await sleep(this.#options.awayMs ?? 50 + Math.random() * 50);
      if (!this.#done) this.#connect();
    });
  }

  #take(frame: Frame): void {
    if (frame.type === 'system') this.announced.push(String(frame.content));
    else if (frame.type === 'reset') {
      this.resets += 1;
      this.#last = undefined;
    } else if (frame.type === 'error') {
      this.errors.push(frame);
      if (frame.ref !== undefined) this.refused.set(String(frame.ref), String(frame.detail));
    } else if (frame.type === 'history' && this.#last === undefined) {
      const newest = messagesIn(frame).at(-1);
      this.#last = newest ? offsetOf(newest) : 0;
      this.#lastId = newest?.id;
    } else for (const message of messagesIn(frame)) this.#see(message);
  }

  #see(message: ChatMessage): void {
    const offset = offsetOf(message);
    const ref = message.ref === undefined ? undefined : String(message.ref);
    if (ref !== undefined) this.acknowledged.set(ref, message.id);
    const due = this.last + 1;
    // The answer to a repeated key comes out of turn, to this socket only, and is no repeat.
    const maybeAnswer = ref !== undefined && (this.#attempts.get(ref) ?? 0) > 1;
    if (offset !== due) {
      if (maybeAnswer || this.#early.delete(offset)) return;
      this.faults.push(`offset ${offset} where ${due} was due`);
    } else if (maybeAnswer) this.#early.add(offset);
    this.#last = Math.max(offset, this.last);
    this.#lastId = offset >= this.last ? message.id : this.#lastId;
    this.seen.push(message);
  }
}

/** Lets members send numbered messages, one each per round, until told to stop; resolves with how many were sent. */
export function keepTalking(members: readonly Member[], everyMs = 20): { stop(): Promise<string[]> } {
  const sent: string[] = [];
  let talking = true;
  const done = (async () => {
    // When a test fails, its members leave: then nobody is left to talk.
    for (let round = 0; talking && members.some(({ gone }) => !gone); round += 1) {
      for (const member of members) {
        const content = `${member.label} in ${member.room} says ${round}`;
        if (member.send(content)) sent.push(content);
      }
      await sleep(everyMs);
    }
    return sent;
  })();
  return {
    stop: () => {
      talking = false;
      return done;
    },
  };
}
