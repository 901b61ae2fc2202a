/** Ports of this machine, and the two questions that tell whether what listens there is well. */

import { connect, createServer } from 'node:net';
import { Fault } from './fail.mjs';

/**
 * Whether nothing listens on the port.
 * @param {string} host
 * @param {number} port
 * @returns {Promise<boolean>}
 * @throws Fault when it could not be listened on anyway: not our address, a port for root only
 */
export function isPortFree(host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(false);
      else reject(new Fault(`Cannot listen on port ${port} of ${host} (HOST): ${error.message}.`));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * The first free port of loopback from `from` on.
 * @param {number} from
 * @param {ReadonlySet<number>} [taken] ports given out already
 */
export async function freePortFrom(from, taken = new Set()) {
  for (let port = from; port < Math.min(from + 200, 65_536); port += 1) {
    if (!taken.has(port) && (await isPortFree('127.0.0.1', port))) return port;
  }
  throw new Fault(`No free port on 127.0.0.1 between ${from} and ${from + 199}.`);
}

/**
 * Sends one inline command to a Redis and answers the first bytes it says.
 * @param {number} port
 * @param {string} command
 * @param {number} [deadlineMs]
 * @returns {Promise<string>}
 */
export function askRedis(port, command, deadlineMs = 1000) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(deadlineMs, () => socket.destroy(new Error(`no answer from port ${port}`)));
    socket.once('connect', () => socket.write(`${command}\r\n`));
    socket.once('data', (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} closed the connection`)));
  });
}

/**
 * Whether a node says that it is ready.
 * @param {string} url
 */
export async function isReady(url) {
  const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) });
  await answer.body?.cancel();
  return answer.status === 200;
}
