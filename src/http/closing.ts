import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

/** How long requests that are under way when the server closes may take, in ms; the drain before it was theirs too. */
const GRACE_MS = 5_000;
/** How often connections are closed that have become idle since, in ms. */
const SWEEP_MS = 100;

/** While this node goes, an answer is the last of its connection: whoever asks again asks another node. */
export function endWithAnswers(app: FastifyInstance, draining: () => boolean): void {
  app.addHook('onSend', (_, reply, payload, done) => {
    if (draining()) reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * Closes the server when the requests under way are answered, after 5 s at the latest. By itself Node waits for whoever
 * keeps a connection: one whose answer said that it stays open, one without a request, one with half of a request.
 */
export async function closeServer(app: FastifyInstance, log: Logger): Promise<void> {
  const { server } = app;
  const sweeps = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const end = setTimeout(() => {
    server.getConnections((_, connections) => log.warn({ connections }, 'connections cut off by the drain'));
    server.closeAllConnections();
  }, GRACE_MS);
  try {
    await app.close();
  } finally {
    clearInterval(sweeps);
    clearTimeout(end);
  }
}
