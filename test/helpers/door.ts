/** One address in front of several nodes, as a load balancer has it: whoever comes is led to a node that is there. */

import { connect, createServer, type Socket } from 'node:net';
import type { Owner } from './wait.js';

export interface Door {
  readonly url: string;
  readonly port: number;
  /** Ports of the nodes; who comes is led to the first that takes the connection. */
  targets: number[];
  /** Cuts all connections through it. */
  cut(): void;
}

/** Opens it on a free port of loopback. It closes with the test. */
export async function openDoor(t: Owner, targets: readonly number[]): Promise<Door> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const door = { targets: [...targets], port: 0, url: '', cut } as Door & { port: number; url: string };
  const server = createServer((client) => lead(track(client), [...door.targets]));
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  door.port = (server.address() as { port: number }).port;
  door.url = `http://127.0.0.1:${door.port}`;
  t.teardown(() => {
    server.close();
    cut();
  });
  return door;

  function lead(client: Socket, [port, ...others]: number[]): void {
    if (port === undefined) {
      client.destroy();
      return;
    }
    const node = track(connect({ host: '127.0.0.1', port }));
    const onRefused = () => lead(client, others);
    node.once('error', onRefused);
    node.once('connect', () => {
      node.off('error', onRefused);
      client.pipe(node).pipe(client);
      // A node that is killed takes its clients' connections with it.
      node.once('close', () => client.destroy());
      client.once('close', () => node.destroy());
    });
  }

  function cut(): void {
    for (const socket of sockets) socket.destroy();
  }
}
