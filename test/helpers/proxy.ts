/** A TCP proxy in front of a Redis, with a say in what becomes of each piece of traffic. */

import { connect, createServer, type Socket } from 'node:net';
import type { Owner } from './wait.js';

/**
 * What becomes of a piece: it passes; it is lost while the connection stays up (`swallow`); the connection is cut in
 * its place (`cut`); or, for what goes to Redis, the client is cut and Redis gets it some time later (`late`).
 */
export type Fate = 'pass' | 'swallow' | 'cut' | 'late';

/** One connection through the proxy. */
export interface Passage {
  /** What the connection is for, by the name that a node gives it: `appends`, `commands`, `subscriptions`, `waits`. */
  role: string | undefined;
  /** Whose it is, by the same name: it begins with the node's NODE_ID. */
  node: string | undefined;
  /** Cuts both sides. */
  cut(): void;
}

export interface RedisProxy {
  readonly port: number;
  readonly url: string;
  /** Decides over each piece; everything passes until it is set. */
  rule: (passage: Passage, to: 'redis' | 'client', data: Buffer) => Fate;
  /** How long everything takes, in each direction, in ms. */
  delayMs: number;
  readonly open: ReadonlySet<Passage>;
}

const LATE_MS = 100;
const NAME = /parlance-([\w.-]+)-(appends|commands|subscriptions|waits)/;

/** Starts a proxy to a port of loopback. It ends with the test. */
export async function startProxy(t: Owner, target: number): Promise<RedisProxy> {
  const open = new Set<Passage>();
  const proxy = { rule: () => 'pass', delayMs: 0, open, port: 0, url: '' } as RedisProxy & {
    port: number;
    url: string;
  };
  const server = createServer((client) => open.add(passageOf(client, target, proxy, open)));
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  proxy.port = (server.address() as { port: number }).port;
  proxy.url = `redis://127.0.0.1:${proxy.port}`;
  t.teardown(() => {
    server.close();
    for (const passage of open) passage.cut();
  });
  return proxy;
}

function passageOf(client: Socket, target: number, proxy: RedisProxy, open: Set<Passage>): Passage {
  const redis = connect({ host: '127.0.0.1', port: target });
  const passage: Passage = {
    role: undefined,
    node: undefined,
    cut: () => {
      client.destroy();
      redis.destroy();
      open.delete(passage);
    },
  };
  for (const socket of [client, redis]) {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
  }
  const toRedis = slowly(redis, proxy);
  const toClient = slowly(client, proxy);
  let doomed = false; // the client is gone, and Redis is yet to get its last piece
  client.on('data', (data) => {
    if (!passage.role) [, passage.node, passage.role] = NAME.exec(data.toString('latin1')) ?? [];
    const fate = doomed ? 'swallow' : proxy.rule(passage, 'redis', data);
    if (fate === 'pass') toRedis(data);
    else if (fate === 'cut') passage.cut();
    else if (fate === 'late') {
      doomed = true;
      client.destroy();
      setTimeout(() => {
        redis.write(data);
        setTimeout(() => passage.cut(), LATE_MS);
      }, LATE_MS);
    }
  });
  redis.on('data', (data) => {
    const fate = doomed ? 'swallow' : proxy.rule(passage, 'client', data);
    if (fate === 'pass') toClient(data);
    else if (fate !== 'swallow') passage.cut();
  });
  client.on('close', () => {
    if (!doomed) passage.cut();
  });
  redis.on('close', () => passage.cut());
  return passage;
}

/** Writes in order, each piece as late as the proxy says, and never before what came earlier. */
function slowly(socket: Socket, proxy: RedisProxy): (data: Buffer) => void {
  const waiting: { data: Buffer; dueAt: number }[] = [];
  // One timer for all: timers of their own could fire in another order.
  const release = (): void => {
    const now = performance.now();
    for (let next = waiting[0]; next && next.dueAt <= now; next = waiting[0]) {
      waiting.shift();
      socket.write(next.data);
    }
    if (waiting[0]) setTimeout(release, waiting[0].dueAt - now);
  };
  return (data) => {
    if (waiting.length === 0 && proxy.delayMs === 0) socket.write(data);
    else if (waiting.push({ data, dueAt: performance.now() + proxy.delayMs }) === 1)
      setTimeout(release, proxy.delayMs);
  };
}
