/** File descriptors: each socket of a client takes one, and so does all that a node needs itself. */

import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';
import type { Logger } from 'pino';
import { seldom } from '../core/seldom.js';

/** Below it a node serves fewer sockets than one core could. */
const FEW = 8_192;
/** What a node needs beside its clients: files, Redis, the object store, uploads. */
const OWN = 128;

/** What one address may take of all connections: the rest is for the others. */
const SHARE_OF_ONE = 0.75;

/** The limit of open file descriptors of this process; -1 where the system does not tell. */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? -1);
  } catch {
    return -1; // not Linux
  }
}

/**
 * Keeps descriptors back for what a node needs itself: clients that take all others cannot cut it off from Redis. What comes
 * past that is closed at once, and the log says so. With `share`, one address gets no more than three quarters of the
 * others: a flood from one place shuts nobody else out. Not for a node behind a proxy, which all clients come from. Warns
 * of a limit that is low.
 */
export function reserveDescriptors(server: Server, log: Logger, share: boolean): void {
  const limit = descriptorLimit();
  if (limit < 0) return;
  server.maxConnections = Math.max(1, limit - OWN);
  const onDrop = seldom(5_000, () => log.error({ limit }, 'too many connections: the rest is turned away'));
  server.on('drop', onDrop);
  if (share) shareConnections(server, Math.floor(server.maxConnections * SHARE_OF_ONE), log);
  if (limit >= FEW) return;
  log.warn(
    { limit, connections: server.maxConnections },
    'the limit of open file descriptors is low, and every socket takes one: raise it (ulimit -n)',
  );
}

/** Closes at once what comes from an address that has `most` connections. */
function shareConnections(server: Server, most: number, log: Logger): void {
  const held = new Map<string, number>();
  const onFlood = seldom(5_000, (address: string) =>
    log.warn(
      { address, connections: most },
      'too many connections from one address: the rest is turned away',
    ),
  );
  server.on('connection', (socket) => {
    const address = socket.remoteAddress;
    if (address === undefined) return; // gone already
    const count = held.get(address) ?? 0;
    if (count >= most) {
      onFlood(address);
      socket.destroy();
      return;
    }
    held.set(address, count + 1);
    socket.once('close', () => {
      const left = (held.get(address) ?? 1) - 1;
      if (left > 0) held.set(address, left);
      else held.delete(address);
    });
  });
}
