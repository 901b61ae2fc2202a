import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { parseSince } from '../core/cursor.js';
import { ChatError, CloseCode, notFound } from '../core/errors.js';
import type { Messages } from '../core/messages.js';
import type { Profile } from '../core/model.js';
import type { Presence } from '../core/ports.js';
import type { Admission, SocketRoute } from '../dialects/dialect.js';
import type { Hub } from '../realtime/hub.js';
import type { ReadStart } from '../realtime/reader.js';
import { FrameBucket, type FrameRate } from './bucket.js';
import { Connection } from './connection.js';
import type { SocketStats } from './metrics.js';

/** How often sockets are looked after, and how often each is asked for a sign of life, in ms. */
const CHECK_MS = 1_000;
const PING_EVERY_CHECKS = 25;
/** How long somebody who was cut off may take to come back before they count as gone. */
export const RETURN_GRACE_MS = 10_000;
/** How long a socket's unfinished sends may hold up its close. */
const IDLE_WAIT_MS = 1_000;

declare module 'fastify' {
  interface FastifyRequest {
    admitted: Admitted | null;
  }
}

interface Admitted {
  readonly admission: Admission;
  readonly profile: Profile;
  readonly start: ReadStart;
}

export interface SocketHostOptions {
  readonly hub: Hub;
  readonly messages: Messages;
  readonly presence: Presence;
  readonly profileOf: (user: string) => Promise<Profile>;
  /** Undefined: no limit. */
  readonly rate: FrameRate | undefined;
  readonly holdOwn: boolean;
  readonly log: { error(fields: object, message: string): void };
}

/** All sockets of a node: admits them, wires them to readers, looks after them, and moves them away at the end. */
export class SocketHost {
  readonly stats: SocketStats = { open: new Map(), received: new Map(), closed: new Map() };
  readonly #options: SocketHostOptions;
  /** Each with the second (modulo the interval) at which it is pinged, so that pings spread. */
  readonly #connections = new Map<Connection, number>();
  #refusing = false;
  #seconds = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SocketHostOptions) {
    this.#options = options;
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
        if (this.#refusing) throw new ChatError('unavailable', 'this node is restarting', { retryAfterS: 1 });
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
    clearInterval(this.#timer);
  }

  async #admit(route: SocketRoute, request: FastifyRequest): Promise<Admitted> {
    const admission = await route.admit(request);
    const { since, room, history } = admission;
    const start: ReadStart =
      since !== undefined
        ? { from: 'since', since: parseSince(since, room.id) }
        : { from: history ? 'newest' : 'head' };
    return { admission, start, profile: await this.#options.profileOf(admission.user) };
  }

  #open(ws: WebSocket, request: FastifyRequest, route: SocketRoute): void {
    const { admission, profile, start } = request.admitted as Admitted;
    const { hub, messages, rate, holdOwn, log } = this.#options;
    const { dialect } = route.encoder;
    const connection = new Connection({
      ws,
      tcp: request.raw.socket,
      route,
      profile,
      room: admission.room,
      expiresAt: admission.expiresAt,
      messages,
      bucket: rate && new FrameBucket(rate, performance.now()),
      holdOwn,
      onFrame: () => count(this.stats.received, dialect, 1),
      onClosing: (code) => count(this.stats.closed, code, 1),
      onClosed: (closed, clean) => this.#onClosed(closed, admission, clean),
      onFault: (error) => log.error({ err: error, dialect }, 'a frame could not be handled'),
    });
    this.#connections.set(connection, this.#seconds % PING_EVERY_CHECKS);
    count(this.stats.open, dialect, 1);
    const session = hub.session({ user: admission.user, encoder: route.encoder, transport: connection });
    connection.attach(session);
    void this.#read(connection, admission, start);
  }

  async #read(connection: Connection, admission: Admission, start: ReadStart): Promise<void> {
    const { hub, presence } = this.#options;
    try {
      [connection.feed] = await hub.open([admission.room]);
    } catch {
      connection.close(CloseCode.tryLater, 'try again later');
      return;
    }
    const { feed, session } = connection;
    if (!feed || !session) return;
    if (connection.gone) {
      hub.release(feed);
      return;
    }
    await session.read(feed, start);
    if (connection.gone) return;
    if (admission.announced) {
      connection.announced = true;
      presence.enter(admission.room.id, admission.user);
    }
    connection.ready();
  }

  #onClosed(connection: Connection, admission: Admission, clean: boolean): void {
    this.#connections.delete(connection);
    count(this.stats.open, connection.route.encoder.dialect, -1);
    if (connection.feed) this.#options.hub.release(connection.feed);
    if (connection.announced) {
      this.#options.presence.leave(admission.room.id, admission.user, clean ? 0 : RETURN_GRACE_MS);
    }
  }

  #check(): void {
    this.#seconds += 1;
    const turn = this.#seconds % PING_EVERY_CHECKS;
    const now = performance.now();
    const wallMs = Date.now();
    for (const [connection, second] of this.#connections) {
      connection.check(now, wallMs);
      if (second === turn) connection.ping();
    }
  }
}

function count<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
