import http from 'node:http';
import https from 'node:https';

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
  return agent;
}
