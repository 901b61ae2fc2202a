/** One HTTP request, one answer. */

/** What a request may carry. A plain object or array is sent as JSON; the rest as `fetch` sends it. */
export interface RequestOptions {
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  ms?: number;
}

/** An answer. `body` is parsed JSON where the answer says that it is JSON, else its text; `T` is the test's claim. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  text: string;
  body: T;
}

/** Sends a request on a connection of its own, so that no kept-alive one of a killed node gets in the way. */
export async function request<T = Record<string, unknown>>(
  method: string,
  url: string,
  { body, token, headers = {}, ms = 15_000 }: RequestOptions = {},
): Promise<Answer<T>> {
  const json = isJson(body);
  const response = await fetch(url, {
    method,
    headers: {
      connection: 'close',
      ...(json ? { 'content-type': 'application/json' } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: json ? JSON.stringify(body) : (body as NonNullable<RequestInit['body']>) }),
    redirect: 'manual',
    signal: AbortSignal.timeout(ms),
  });
  const text = await response.text();
  const isJsonAnswer = /\bjson\b/.test(response.headers.get('content-type') ?? '') && text !== '';
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: (isJsonAnswer ? JSON.parse(text) : text) as T,
  };
}

function isJson(body: unknown): boolean {
  if (Array.isArray(body)) return true;
  return typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === Object.prototype;
}
