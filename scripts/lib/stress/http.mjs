/** Requests over kept-alive connections. */

import { Agent, request } from 'node:http';
import { request as requestSecurely, Agent as SecureAgent } from 'node:https';

const DEADLINE_MS = 15_000;
const KEPT = { keepAlive: true, maxSockets: 64, maxFreeSockets: 64 };
const plain = { request, agent: new Agent(KEPT) };
const secure = { request: requestSecurely, agent: new SecureAgent(KEPT) };

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {any} body parsed JSON, or text
 */

/**
 * @param {string} method
 * @param {string} url
 * @param {{ token?: string, body?: object, key?: string, deadlineMs?: number }} [options]
 * @returns {Promise<Answer>}
 */
export function ask(method, url, { token, body, key, deadlineMs = DEADLINE_MS } = {}) {
  const data = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(data === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data) }),
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  };
  const { request, agent } = url.startsWith('https:') ? secure : plain;
  return new Promise((resolve, reject) => {
    const out = request(
      url,
      { method, headers, agent, signal: AbortSignal.timeout(deadlineMs) },
      (answer) => {
        /** @type {Buffer[]} */
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.once('error', reject);
        answer.once('end', () => {
          const text = Buffer.concat(chunks).toString();
          const json = /\bjson\b/.test(answer.headers['content-type'] ?? '') && text !== '';
          resolve({ status: answer.statusCode ?? 0, body: json ? JSON.parse(text) : text });
        });
      },
    );
    out.once('error', reject);
    out.end(data);
  });
}

/**
 * The body of an answer that must be a success.
 * @param {string} method
 * @param {string} url
 * @param {Parameters<typeof ask>[2]} [options]
 */
export async function expect(method, url, options) {
  const { status, body } = await ask(method, url, options);
  if (status >= 200 && status < 300) return body;
  throw new Error(`${method} ${url} was answered with ${status}: ${JSON.stringify(body).slice(0, 200)}`);
}

/**
 * Works through `items`, so many at once, in order of their start.
 * @template T
 * @template R
 * @param {readonly T[]} items
 * @param {number} atOnce
 * @param {(item: T, at: number) => Promise<R>} work
 * @returns {Promise<R[]>}
 */
export async function mapAtOnce(items, atOnce, work) {
  /** @type {R[]} */
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await work(/** @type {T} */ (items[at]), at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
