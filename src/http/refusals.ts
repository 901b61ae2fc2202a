/** Answers to what never becomes a request: Fastify's own would be in a shape that no document has. */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

/** Fastify's `clientErrorHandler`. The error holds the raw bytes, tokens and all: nothing of it is logged. */
export function refuseClient(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const [status, detail] = refusalOf(error.code);
  const body = JSON.stringify({ detail });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function refusalOf(code: string | undefined): [number, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'the request head is too large'];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'the request took too long to arrive'];
  return [400, 'not a valid HTTP request'];
}
