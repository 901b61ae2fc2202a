/** An OpenAI-compatible endpoint: a real HTTP server that does what a test tells it, well or badly. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Owner, sleep } from './wait.js';

/** What was asked of the endpoint. */
export interface Asked {
  /** The key that the caller showed; '' without one. */
  readonly key: string;
  readonly model: string;
  readonly stream: boolean;
  readonly messages: { role: string; content: string }[];
  /** The text of the last message. */
  readonly question: string;
  /** Whether the caller has gone away before the answer was finished. */
  left: boolean;
}

/** How one request is answered. */
export type Script = (response: ServerResponse, asked: Asked) => Promise<void> | void;

export interface ModelServer {
  /** What AGENT_BASE_URL is to be. */
  readonly url: string;
  /** Everything that was asked, in order. */
  readonly asked: Asked[];
  /** How requests are answered from now on. */
  script: Script;
}

/** Starts an endpoint on loopback. */
export async function startModel(t: Owner, script: Script = saying('Hello!')): Promise<ModelServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const call = await read(request);
      asked.push(call);
      response.on('close', () => {
        call.left = !response.writableFinished;
      });
      if (request.method !== 'POST' || request.url !== '/v1/chat/completions') response.writeHead(404).end();
      else await model.script(response, call);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const model: ModelServer = { url: `http://127.0.0.1:${port}/v1`, asked, script };
  return model;
}

async function read(request: IncomingMessage): Promise<Asked> {
  let text = '';
  for await (const chunk of request) text += chunk;
  const body = JSON.parse(text || '{}') as Pick<Asked, 'model' | 'stream' | 'messages'>;
  return {
    key: (request.headers.authorization ?? '').replace(/^Bearer /, ''),
    model: body.model,
    stream: body.stream,
    messages: body.messages,
    question: body.messages?.at(-1)?.content ?? '',
    left: false,
  };
}

/** Begins a stream. */
export function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
}

/** One piece of text in a stream, as the protocol writes it. */
export function piece(response: ServerResponse, content: string, more: object = {}): void {
  const choice = { index: 0, delta: { content }, finish_reason: null, ...more };
  response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [choice] })}\n\n`);
}

/** The end of a whole answer. */
export function finish(response: ServerResponse): void {
  const choice = { index: 0, delta: {}, finish_reason: 'stop' };
  response.end(`data: ${JSON.stringify({ choices: [choice] })}\n\ndata: [DONE]\n\n`);
}

/** Says a text word by word, `everyMs` apart. */
export function saying(text: string | ((asked: Asked) => string), everyMs = 0): Script {
  return async (response, asked) => {
    begin(response);
    for (const word of (typeof text === 'string' ? text : text(asked)).match(/\s*\S+\s*/g) ?? []) {
      if (everyMs > 0) await sleep(everyMs);
      piece(response, word);
    }
    finish(response);
  };
}

/** Answers with a status and an error as the protocol has it. */
export function refusing(status: number, headers: Record<string, string> = {}): Script {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { message: `refused with ${status}`, type: 'test', code: null } }));
  };
}

/** Does one thing after the other; the last one for ever. */
export function inTurn(...scripts: Script[]): Script {
  let at = 0;
  return (response, asked) => {
    const script = scripts[Math.min(at, scripts.length - 1)] as Script;
    at += 1;
    return script(response, asked);
  };
}
