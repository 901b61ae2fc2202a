import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { parseSince } from '../core/cursor.js';
import { ChatError, CloseCode, notFound } from '../core/errors.js';
import type { RoomMarks } from '../core/marks.js';
import type { Messages } from '../core/messages.js';
import type { Profile, Room, UserEvent } from '../core/model.js';
import type { CursorStore, Presence } from '../core/ports.js';
import { parseUserCursor } from '../core/user-cursor.js';
import type { Admission, SocketRoute } from '../dialects/dialect.js';
import type { Hub } from '../realtime/hub.js';
import type { Session } from '../realtime/session.js';
import type { UserFeeds } from '../realtime/user-feeds.js';
import { FrameBucket, type FrameRate } from './bucket.js';
import { Connection } from './connection.js';
import { toChatError } from './errors.js';
import type { SocketStats } from './metrics.js';
import { Pace } from './pace.js';
import { type Reading, RoomReading, UserReading } from './reading.js';

/** How often sockets are looked after, in ms. */
const CHECK_MS = 1_000;
/** How long an upgrade may wait for its turn, in ms; one that would wait longer is refused. */
const MAX_TURN_MS = 5_000;
/** How long somebody who was cut off may take to come back before they count as gone. */
export const RETURN_GRACE_MS = 10_000;
/** How long who closed a socket still counts, in ms: they may have opened one on a node whose word is a little later. */
const MOVE_MS = 10;
/** How long a socket's unfinished sends may hold up its close. */
const IDLE_WAIT_MS = 1_000;
/** How long an upgrade may take once it is admitted. */
const UPGRADE_DEADLINE_MS = 10_000;

declare module 'fastify' {
  interface FastifyRequest {
    admitted: Admitted | null;
  }
}

/** Takes what concerns the user, once there is a socket for it. */
interface Listener {
  notify: (event: UserEvent) => void;
}

interface Admitted {
  readonly admission: Admission;
  readonly profile: Profile;
  readonly reading: Reading;
  readonly listener: Listener;
  /** Lets go of the reading when the upgrade comes to nothing. */
  readonly abandoned: NodeJS.Timeout;
}

export interface SocketHostOptions {
  readonly hub: Hub;
  readonly userFeeds: UserFeeds;
  readonly cursors: CursorStore;
  readonly messages: Messages;
  readonly marks: (room: Room) => Promise<RoomMarks>;
  readonly presence: Presence;
  readonly profileOf: (user: string) => Promise<Profile>;
  /** What is known here of a user, without asking. */
  readonly profileNow: (user: string) => Profile | undefined;
  /** Undefined: no limit. */
  readonly rate: FrameRate | undefined;
  /** Upgrades admitted in a second; 0: no limit. */
  readonly upgradeRate: number;
  /** How often each socket is asked for a sign of life, in ms. */
  readonly pingMs: number;
  readonly holdOwn: boolean;
  readonly log: { error(fields: object, message: string): void };
}

/** All sockets of a node: admits them, wires them to readers, looks after them, and moves them away at the end. */
export class SocketHost {
  readonly stats: SocketStats = {
    open: new Map(),
    received: new Map(),
    // From the start, so that the first one of a kind is a rise and not a beginning.
    closed: new Map(Object.values(CloseCode).map((code) => [code, 0])),
    crowded: 0,
  };
  readonly #options: SocketHostOptions;
  readonly #pingEveryChecks: number;
  readonly #pace: Pace | undefined;
  /** Each with the second (modulo the interval) at which it is pinged, so that pings spread. */
  readonly #connections = new Map<Connection, number>();
  #refusing = false;
  #seconds = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SocketHostOptions) {
    this.#options = options;
    this.#pingEveryChecks = Math.ceil(options.pingMs / CHECK_MS);
    this.#pace = options.upgradeRate > 0 ? new Pace(options.upgradeRate, MAX_TURN_MS) : undefined;
  }

  start(): void {
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Bytes waiting in all outboxes. */
  get unsentBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections.keys()) bytes += connection.unsent;
    return bytes;
  }

  /** Opens a WebSocket path. Whatever `admit` throws is answered before the upgrade. */
  register(scope: FastifyInstance, route: SocketRoute): void {
    scope.route({
      method: 'GET',
      url: route.path,
      preValidation: async (request: FastifyRequest, reply: FastifyReply) => {
        if (!request.ws) throw notFound('page');
        await this.#turn(request);
        request.admitted = await this.#admit(route, request);
        return reply.sent ? reply : undefined;
      },
      handler: () => {
        throw notFound('page');
      },
      wsHandler: (ws: WebSocket, request: FastifyRequest) => this.#open(ws, request, route),
    });
  }

  /** From now on upgrades are refused with 503: a load balancer takes them elsewhere. */
  refuse(): void {
    this.#refusing = true;
  }

  /** Closes all sockets with `restart`, spread evenly over `ms`, each after its unfinished sends. */
  async drain(ms: number): Promise<void> {
    this.refuse();
    const connections = [...this.#connections.keys()];
    const step = ms / Math.max(1, connections.length);
    await Promise.all(
      connections.map(async (connection, i) => {
        await new Promise((resolve) => setTimeout(resolve, i * step));
        await connection.closeWhenIdle(CloseCode.restart, 'restarting', IDLE_WAIT_MS);
      }),
    );
    const deadline = performance.now() + IDLE_WAIT_MS * 4;
    while (this.#connections.size > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // The server's end waits for every connection, and nobody looks after those that are left any more.
    for (const connection of this.#connections.keys()) connection.terminate();
    clearInterval(this.#timer);
  }

  /**
   * Waits until the upgrade may be looked at. A rush of them would take all the time that open sockets need.
   * @throws ChatError unavailable when too many wait already, or this node goes
   */
  async #turn(request: FastifyRequest): Promise<void> {
    const waitMs = this.#pace ? this.#pace.take(performance.now()) : 0;
    if (waitMs === undefined) {
      this.stats.crowded += 1;
      const retryAfterS = Math.ceil(MAX_TURN_MS / 1_000);
      throw new ChatError('unavailable', 'too many sockets at once', { retryAfterS });
    }
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (request.raw.socket.destroyed) throw new ChatError('unavailable', 'the client is gone');
    if (this.#refusing) throw restarting();
  }

  async #admit(route: SocketRoute, request: FastifyRequest): Promise<Admitted> {
    const admission = await route.admit(request);
    const profile = await this.#options.profileOf(admission.user);
    // Before the reading is prepared: from its subscription on, events may come.
    const listener: Listener = { notify: () => undefined };
    const reading = this.#reading(admission, (event) => listener.notify(event));
    await reading.prepare();
    if (this.#refusing) {
      reading.close();
      throw restarting();
    }
    const abandoned = setTimeout(() => reading.close(), UPGRADE_DEADLINE_MS);
    return { admission, profile, reading, listener, abandoned };
  }

  #reading({ user, reads }: Admission, notify: (event: UserEvent) => void): Reading {
    const { hub, userFeeds, cursors } = this.#options;
    const { since } = reads;
    if (reads.kind === 'user') {
      const cursor = since === undefined ? undefined : parseUserCursor(since);
      return new UserReading({ feeds: userFeeds, cursors }, user, cursor, notify);
    }
    const start =
      since === undefined ? (reads.history ? 'newest' : 'head') : parseSince(since, reads.room.id);
    return new RoomReading(hub, reads.room.id, start);
  }

  #open(ws: WebSocket, request: FastifyRequest, route: SocketRoute): void {
    const admitted = request.admitted as Admitted;
    const { admission, profile, reading, listener } = admitted;
    clearTimeout(admitted.abandoned);
    const { hub, messages, marks, presence, rate, holdOwn, log, profileNow } = this.#options;
    const { dialect } = route.encoder;
    const room = admission.reads.kind === 'room' ? admission.reads.room : undefined;
    const connection = new Connection({
      ws,
      tcp: request.raw.socket,
      route,
      profile,
      profileNow: () => profileNow(admission.user),
      room,
      expiresAt: admission.expiresAt,
      messages,
      marks,
      bucket: rate && new FrameBucket(rate, performance.now()),
      holdOwn,
      onFrame: () => count(this.stats.received, dialect, 1),
      onClosing: (code) => count(this.stats.closed, code, 1),
      onFault: (error) => log.error({ err: error, dialect }, 'a frame could not be handled'),
    });
    this.#connections.set(connection, this.#seconds % this.#pingEveryChecks);
    count(this.stats.open, dialect, 1);
    presence.online(admission.user);
    // At once: who moves here may close the other socket as soon as this one is open, and was never gone.
    if (isAnnounced(admission)) presence.enter(admission.reads.room.id, admission.user);
    const onEvent = route.onEvent;
    const session = hub.session({
      user: admission.user,
      encoder: route.encoder,
      transport: connection,
      onEvent: onEvent && ((event, where) => onEvent(event, where, connection)),
      oneRoom: admission.reads.kind === 'room',
    });
    listener.notify = (event) => route.onUserEvent?.(event, connection);
    connection.attach(session, reading);
    void this.#run(connection, session, reading, route, admission);
    // It was on its way in when the drain began.
    if (this.#refusing) session.close(CloseCode.restart, 'restarting');
  }

  /** A socket's life: what it starts with, then its frames, until it is closed. */
  async #run(
    connection: Connection,
    session: Session,
    reading: Reading,
    route: SocketRoute,
    admission: Admission,
  ): Promise<void> {
    const { presence } = this.#options;
    const { user } = admission;
    try {
      await reading.start(session);
      if (!connection.over) await route.onOpen?.(connection);
      connection.ready();
    } catch (error) {
      if (toChatError(error).code === 'internal')
        this.#options.log.error({ err: error }, 'a socket could not start');
      connection.close(CloseCode.tryLater, 'try again later');
    }
    const clean = await connection.closed;
    const graceMs = clean ? MOVE_MS : RETURN_GRACE_MS;
    this.#connections.delete(connection);
    count(this.stats.open, route.encoder.dialect, -1);
    reading.close();
    route.onClose?.(connection);
    if (isAnnounced(admission)) presence.leave(admission.reads.room.id, user, graceMs);
    presence.offline(user, graceMs);
  }

  #check(): void {
    this.#seconds += 1;
    const turn = this.#seconds % this.#pingEveryChecks;
    const now = performance.now();
    const wallMs = Date.now();
    for (const [connection, second] of this.#connections) {
      connection.check(now, wallMs);
      if (second === turn) connection.ping();
    }
  }
}

function isAnnounced(
  admission: Admission,
): admission is Admission & { reads: Extract<Admission['reads'], { kind: 'room' }> } {
  return admission.reads.kind === 'room' && admission.reads.announced;
}

function restarting(): ChatError {
  return new ChatError('unavailable', 'this node is restarting', { retryAfterS: 1 });
}

function count<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
