import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

/** How long requests that are under way when the server closes may take, in ms; the drain before it was theirs too. */
const GRACE_MS = 4_000;
/** How often connections are closed that have become idle since, in ms. */
const SWEEP_MS = 100;
/** An upgrade that is silent for so long without becoming a WebSocket was lost on its way, in ms. */
const UPGRADE_MS = 20_000;

declare module 'fastify' {
  interface FastifyInstance {
    /** Connections that asked for an upgrade. */
    upgrades: Set<Socket>;
  }
}

/**
 * Keeps hold of connections that ask for an upgrade: Node lets go of them with the question, none of the server's limits
 * holds for them any more, and its end waits for them. One that becomes nothing is closed.
 */
export function watchUpgrades(app: FastifyInstance): void {
  const upgrades = new Set<Socket>();
  app.decorate('upgrades', upgrades);
  app.server.prependListener('upgrade', (_, socket: Socket) => {
    upgrades.add(socket);
    socket.once('close', () => upgrades.delete(socket));
    // Whoever makes a WebSocket of it takes this back, as `ws` does. Behind a request that is yet to be answered, Node sets
    // the keep-alive timeout in its place.
    socket.setTimeout(UPGRADE_MS, cut);
  });
}

/** While this node goes, an answer is the last of its connection: whoever asks again asks another node. */
export function endWithAnswers(app: FastifyInstance, draining: () => boolean): void {
  app.addHook('onSend', (_, reply, payload, done) => {
    if (draining()) reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * Closes the server when the requests under way are answered, after 4 s at the latest. By itself Node waits for whoever
 * keeps a connection: one whose answer said that it stays open, one without a request, one with half of a request.
 */
export async function closeServer(app: FastifyInstance, log: Logger): Promise<void> {
  const { server } = app;
  const sweeps = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const end = setTimeout(() => {
    server.getConnections((_, connections) => log.warn({ connections }, 'connections cut off by the drain'));
    server.closeAllConnections();
    for (const socket of app.upgrades) socket.destroy();
  }, GRACE_MS);
  try {
    await app.close();
  } finally {
    clearInterval(sweeps);
    clearTimeout(end);
  }
}

function cut(this: Socket): void {
  this.destroy();
}
