import type { Since } from '../core/cursor.js';
import { ChatError } from '../core/errors.js';
import type { UserId } from '../core/ids.js';
import type { RoomMarks } from '../core/marks.js';
import { bareProfile, type Message, type Position, type Profile, type Room } from '../core/model.js';
import type { Log } from '../core/ports.js';
import type { Encoder } from '../core/rendering.js';
import { isDoubtful } from './fork.js';
import { textFrame } from './frame.js';
import type { PendingSends } from './pending.js';
import type { CatchUpRunner, Feed, Reader, ReadStart } from './reader.js';
import { SharedReads } from './shared-reads.js';
import { type RealtimeStats, reportFault } from './stats.js';

/** Messages of one read for a reader that gets single frames, and for one that gets pages. */
const READ_MESSAGES = 64;
const PAGE_MESSAGES = 500;
/** Text of one page frame, roughly: a page may hold fewer messages than allowed. */
const PAGE_BYTES = 192 * 1024;
const RETRY_MS = 250;
/** How long a reader that is ahead of this node waits for it to catch up. */
const AHEAD_WAIT_MS = 20;
const AHEAD_TRIES = 150;

export interface CatchUpOptions {
  readonly log: Log;
  readonly pending: PendingSends;
  readonly stats: RealtimeStats;
  readonly profiles: (users: readonly UserId[]) => Promise<Map<UserId, Profile>>;
  readonly marks: (room: Room) => Promise<RoomMarks>;
  /** Messages of the page that a new reader starts with. */
  readonly newest: number;
}

/** What messages from the log are shown with, as far as the encoder needs it. */
interface Shown {
  readonly profiles: ReadonlyMap<UserId, Profile>;
  readonly marks: RoomMarks | undefined;
}

const NOTHING_SHOWN: Shown = { profiles: new Map(), marks: undefined };

/**
 * Brings readers from where they are to the head of a feed, at their own pace, and makes them live
 * there. The same code serves a new socket, a resume, a slow reader and a fork.
 */
export class CatchUp implements CatchUpRunner {
  readonly #options: CatchUpOptions;
  readonly #reads: SharedReads;

  constructor(options: CatchUpOptions) {
    this.#options = options;
    this.#reads = new SharedReads(options.log, options.stats);
  }

  async run(session: Reader, feed: Feed, start?: ReadStart): Promise<void> {
    let place = start;
    let paged = false;
    while (!session.closed && !feed.closed) {
      try {
        if (session.takeRestart(feed)) place = { from: 'reset' };
        if (place) {
          paged = await this.#place(session, feed, place);
          place = undefined;
        }
        await session.capacity();
        if (session.closed) return;
        feed.flush();
        const position = session.positionIn(feed) ?? feed.head;
        if (position.offset >= feed.head.offset && !paged) {
          session.goLive(feed);
          return;
        }
        paged = (await this.#step(session, feed, position, paged)) && paged;
      } catch (error) {
        reportFault(this.#options.stats, error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Finds the reader's position; answers whether what follows is to come in pages. */
  async #place(session: Reader, feed: Feed, start: ReadStart): Promise<boolean> {
    const { tail } = feed;
    const found = start.from === 'since' ? await this.#find(feed, start.since) : undefined;
    if (feed.tail !== tail) return this.#place(session, feed, start); // what was found is of another history
    if (found) {
      feed.forgetShown(session);
      session.advance(feed, found);
      return session.encoder.page !== undefined;
    }
    if (start.from === 'position') {
      session.advance(feed, start.position);
      return false;
    }
    return this.#placeAtNewest(session, feed, start);
  }

  async #placeAtNewest(session: Reader, feed: Feed, start: ReadStart): Promise<boolean> {
    const { head, tail } = feed;
    const page = await this.#reads.newest(feed, this.#options.newest);
    await this.#followed(feed, page, head, this.#options.newest > 0 ? 0 : undefined);
    const shown = session.encoder.page ? NOTHING_SHOWN : await this.#shown(session.encoder, feed.room, page);
    if (feed.tail !== tail) return this.#placeAtNewest(session, feed, start);
    feed.forgetShown(session);
    if (start.from !== 'newest') session.reply(session.encoder.reset());
    session.advance(feed, this.#handNewest(session, feed, page, shown, head));
    return false;
  }

  /** The position that `since` means; undefined when the log does not have it, or has another history there. */
  async #find(feed: Feed, since: Since): Promise<Position | undefined> {
    if (since.offset > feed.head.offset && !(await this.#waitForHead(feed, since.offset))) return undefined;
    if (since.offset === 0) return { offset: 0, nonce: '' };
    let nonce = feed.nonceAt(since.offset);
    if (nonce === undefined && since.nonce !== undefined) {
      // An erased or trimmed entry cannot be compared: readers go on past it.
      nonce = (await this.#reads.one(feed, since.offset))?.nonce ?? since.nonce;
    }
    if (since.nonce !== undefined && nonce !== since.nonce) return undefined;
    return { offset: since.offset, nonce: nonce ?? '' };
  }

  // The reader comes from a node that has seen more than this one: the log decides.
  async #waitForHead(feed: Feed, offset: number): Promise<boolean> {
    const then = feed.head.offset;
    const [tip] = await this.#options.log.tips([feed.id]);
    if (!tip || tip.offset < offset) return false;
    feed.checkTip(tip, then);
    for (let i = 0; i < AHEAD_TRIES && feed.head.offset < offset; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, AHEAD_WAIT_MS));
    }
    // The log has it: that this node is slow to read it is no reason to start over. The caller tries again.
    if (feed.head.offset < offset) throw new ChatError('unavailable', 'this node is still behind its reader');
    return true;
  }

  /** Hands out one read; answers whether there is more before the head. */
  async #step(session: Reader, feed: Feed, position: Position, paged: boolean): Promise<boolean> {
    const { head, tail } = feed;
    const asPage = paged && session.encoder.page !== undefined;
    const count = asPage ? PAGE_MESSAGES : READ_MESSAGES;
    const read = await this.#reads.after(feed, position.offset, count);
    await this.#followed(feed, read, head, read.length < count ? position.offset : undefined);
    const page = read.filter((message) => message.offset <= head.offset);
    await this.#decided(session, feed, page);
    const shown = await this.#shown(session.encoder, feed.room, page);
    // Meanwhile the log may have turned out to have another history.
    if (session.closed || session.positionIn(feed) !== position || feed.tail !== tail) return true;
    if (page.length === 0) {
      // Everything up to the head was erased or trimmed.
      if (asPage) session.push(textFrame(session.encoder.page?.([], feed.room) ?? ''));
      session.advance(feed, head);
      return false;
    }
    const handed = asPage
      ? this.#pushPage(session, feed, page, position)
      : this.#pushAll(
          session,
          feed,
          [...page, ...this.#arrived(session, feed, page, shown)],
          shown,
          position,
        );
    session.advance(feed, handed);
    // A page that stopped before this socket's own message is the last page: frames go on from there.
    return handed.offset < head.offset && handed !== position;
  }

  /**
   * What came while it was looked up what a page is shown with: a reader of a room that is never quiet for so long would
   * never be done. Nothing that is to be looked up itself.
   */
  #arrived(session: Reader, feed: Feed, page: readonly Message[], { profiles }: Shown): Message[] {
    const more = feed.tail.readAfter((page.at(-1) as Message).offset, PAGE_MESSAGES) ?? [];
    const end = more.findIndex(
      ({ nonce, sender }) =>
        session.sent.includes(nonce) || (session.encoder.needsProfiles && !profiles.has(sender)),
    );
    return end < 0 ? more : more.slice(0, end);
  }

  /** The newest page, in one frame where the dialect has such a frame; answers up to where it handed out. */
  #handNewest(session: Reader, feed: Feed, page: readonly Message[], shown: Shown, upTo: Position): Position {
    const before = { offset: (page[0]?.offset ?? upTo.offset + 1) - 1, nonce: '' };
    if (!session.encoder.page) return this.#pushAll(session, feed, page, shown, before);
    const part = this.#withoutOwn(session, page);
    session.push(this.#reads.pageFrame(feed, session.encoder, part, session.encoder.page));
    return part.length < page.length ? (part.at(-1) ?? before) : (page.at(-1) ?? upTo);
  }

  #pushPage(session: Reader, feed: Feed, page: readonly Message[], before: Position): Position {
    let bytes = 0;
    let count = 0;
    while (count < page.length && (count === 0 || bytes < PAGE_BYTES)) {
      bytes += (page[count] as Message).text.length;
      count += 1;
    }
    const part = this.#withoutOwn(session, page.slice(0, count));
    const news = part.filter((message) => !feed.wasShown(session, message));
    const encode = session.encoder.page as NonNullable<Encoder['page']>;
    // What is left of a page has holes of its own: nobody else gets the same one.
    if (news.length === part.length) session.push(this.#reads.pageFrame(feed, session.encoder, part, encode));
    else if (news.length > 0) session.push(textFrame(encode(news, feed.room)));
    return part.at(-1) ?? before;
  }

  // A page carries no acknowledgement: what this socket sent itself follows in frames of its own.
  #withoutOwn(session: Reader, page: readonly Message[]): readonly Message[] {
    if (session.sent.length === 0) return page;
    const own = page.findIndex((message) => session.sent.includes(message.nonce));
    return own < 0 ? page : page.slice(0, own);
  }

  /** Pushes messages until the outbox is full; answers how far it came. */
  #pushAll(
    session: Reader,
    feed: Feed,
    page: readonly Message[],
    { profiles, marks }: Shown,
    before: Position,
  ): Position {
    let last = before;
    let count = 0;
    for (const message of page) {
      const send = this.#options.pending.get(message.nonce);
      const own = send?.session === session;
      if (!own && feed.wasShown(session, message)) {
        last = message;
        continue;
      }
      const profile = profiles.get(message.sender) ?? bareProfile(message.sender);
      const status = marks?.statusOf(message) ?? 'sent';
      const context = { room: feed.room, profile, live: false, status };
      let text: string | null;
      try {
        text = own
          ? session.encoder.own(message, context, send.ref)
          : session.encoder.message(message, context);
      } catch (error) {
        if (count === 0) throw error;
        break; // what is pushed already must not be pushed again
      }
      if (own) this.#options.pending.delete(message.nonce);
      if (text !== null) session.push(textFrame(text));
      // Its announcement may still come.
      if (message.attachments.length > 0) session.firstSight(message.nonce);
      last = message;
      count += 1;
      if (session.stalled) break;
    }
    const { delivered } = this.#options.stats;
    const { dialect } = session.encoder;
    delivered.set(dialect, (delivered.get(dialect) ?? 0) + count);
    return last;
  }

  // What this socket sent itself must not reach it as stored before that is sure, nor from a place that it lost again.
  async #decided(session: Reader, feed: Feed, page: readonly Message[]): Promise<void> {
    for (const { nonce, offset } of page) {
      const send = this.#options.pending.get(nonce);
      if (send?.session !== session) continue;
      if (send.undecided) await send.undecided;
      if (send.storedAt === undefined || send.storedAt === offset) continue;
      // A fail-over lost this entry, and it was stored anew: the page is of a history that is over. The caller tries again.
      feed.checkTip({ offset: send.storedAt, nonce }, feed.head.offset);
      throw new ChatError('unavailable', 'this node has yet to follow the log');
    }
  }

  // What the log has since a fail-over is handed out when this node follows it there: a reader would be shown it twice.
  async #followed(
    feed: Feed,
    page: readonly Message[],
    head: Position,
    after: number | undefined,
  ): Promise<void> {
    if (!isDoubtful(feed, page, head, after)) return;
    const [tip] = await this.#options.log.tips([feed.id]);
    if (tip && feed.checkTip(tip, head.offset))
      throw new ChatError('unavailable', 'this node has yet to follow the log');
  }

  async #shown(encoder: Encoder, room: Room, page: readonly Message[]): Promise<Shown> {
    const { profiles, marks } = this.#options;
    const [known, marked] = await Promise.all([
      encoder.needsProfiles && page.length > 0
        ? profiles([...new Set([...room.participants, ...page.map(({ sender }) => sender)])])
        : new Map(),
      encoder.needsMarks && page.length > 0 ? marks(room) : undefined,
    ]);
    return { profiles: known, marks: marked };
  }
}
