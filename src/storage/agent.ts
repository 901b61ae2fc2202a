import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';

/**
 * Connections to the store: kept open, bounded in number, and given up when nothing moves on one for `idleMs`: without
 * that, a store that is frozen would hold a request for ever.
 */
export function storeAgent(secure: boolean, maxSockets: number, idleMs: number): http.Agent {
  const options = { keepAlive: true, maxSockets, timeout: idleMs };
  const agent = secure ? new https.Agent(options) : new http.Agent(options);
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (connection, callback) => {
    const socket = create(connection, callback);
    socket?.on('timeout', () => socket.destroy(new Error('the store does not answer')));
    return socket;
  };
  const reuse = agent.reuseSocket.bind(agent);
  agent.reuseSocket = (socket, request) => {
    reuse(socket, request);
    // Node leaves it as short as the store keeps idle connections (Keep-Alive: timeout=5), which says nothing of answers.
    (socket as Socket).setTimeout(idleMs);
  };
  return agent;
}
