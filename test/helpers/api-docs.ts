/** A node's API documents, and whether what it says live is what they say. */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { type Answer, request } from './http.js';

type Schema = Record<string, unknown>;

export interface Parameter {
  readonly name: string;
  readonly in: string;
}
export interface OpenApiOperation {
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
  readonly security?: readonly object[];
  readonly requestBody?: { content: Record<string, { schema: Schema }> };
}
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, OpenApiOperation>>;
}
export interface AsyncApi {
  readonly asyncapi: string;
  readonly channels: Record<
    string,
    { address: string; title: string; messages: Record<string, { name: string; payload: Schema }> }
  >;
}

/** Both documents of a node, and what was seen of what they describe. */
export class ApiDocs {
  readonly open: OpenApi;
  readonly async: AsyncApi;
  /** Operations that were called: `GET /path 2xx`. */
  readonly called = new Set<string>();
  /** Frames that came: `address out.name`. */
  readonly heard = new Set<string>();
  // Nothing that is not described may be there.
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #checks = new Map<Schema, ValidateFunction>();

  constructor(open: OpenApi, async: AsyncApi) {
    this.open = open;
    this.async = async;
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.#ajv);
  }

  static async of(node: { url: string }): Promise<ApiDocs> {
    const open = await request<OpenApi>('GET', `${node.url}/docs/json`);
    const async = await request<AsyncApi>('GET', `${node.url}/docs/asyncapi.json`);
    return new ApiDocs(open.body, async.body);
  }

  /** What in an answer is not as the document says; empty when nothing is. */
  faultsOf(method: string, path: string, { status, body, text }: Answer<unknown>): string[] {
    const name = `${method} ${path}`;
    const operation = this.open.paths[path]?.[method.toLowerCase()];
    if (!operation) return [`${name} is not in the document`];
    const range = `${String(status)[0]}XX`;
    const response = operation.responses[status] ?? operation.responses[range];
    if (!response) return [`${name} ${status} is not in the document: ${text}`];
    this.called.add(`${name} ${range}`);
    const schema = response.content?.['application/json']?.schema;
    return schema ? this.#faults(schema, body).map((fault) => `${name} ${status}: ${fault}: ${text}`) : [];
  }

  /** What in a frame that came is not as the document says. */
  faultsOfFrame(address: string, frame: object): string[] {
    const kinds = this.#messages(address, 'out.');
    const fits = kinds.find(([, { payload }]) => this.#faults(payload, frame).length === 0);
    if (fits) this.heard.add(`${address} ${fits[0]}`);
    return fits ? [] : [`${address}: no documented frame: ${JSON.stringify(frame)}`];
  }

  /** Whether a frame that a client sends is one that the document describes. */
  describes(address: string, frame: unknown): boolean {
    return this.#messages(address, 'in.').some(([, { payload }]) => this.#check(payload)(frame) === true);
  }

  /** Whether the document of an operation describes a request body like this. */
  accepts(method: string, path: string, body: unknown): boolean {
    const content = this.open.paths[path]?.[method.toLowerCase()]?.requestBody?.content;
    const schema = content?.['application/json']?.schema;
    return schema === undefined || this.#check(schema)(body) === true;
  }

  /** Whether a body is an error as some dialect documents errors, or as this one does. */
  isError(body: unknown, dialect?: string): boolean {
    const operations = Object.values(this.open.paths).flatMap((path) => Object.values(path));
    return operations
      .filter(({ tags }) => dialect === undefined || tags?.includes(dialect))
      .map(({ responses }) => responses['4XX']?.content?.['application/json']?.schema)
      .some((schema) => schema !== undefined && this.#faults(schema, body).length === 0);
  }

  #messages(address: string, direction: string) {
    const channel = Object.values(this.async.channels).find((one) => one.address === address);
    return Object.entries(channel?.messages ?? {}).filter(([name]) => name.startsWith(direction));
  }

  #faults(schema: Schema, value: unknown): string[] {
    const check = this.#check(closed(schema));
    check(value);
    return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }

  #check(schema: Schema): ValidateFunction {
    let check = this.#checks.get(schema);
    if (!check) {
      check = this.#ajv.compile(schema);
      this.#checks.set(schema, check);
    }
    return check;
  }
}

const closedSchemas = new WeakMap<Schema, Schema>();

/** The same schema, with no room for fields that it does not name. */
function closed(schema: Schema): Schema {
  let same = closedSchemas.get(schema);
  if (!same) {
    same = close(schema) as Schema;
    closedSchemas.set(schema, same);
  }
  return same;
}

function close(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(close);
  if (typeof part !== 'object' || part === null) return part;
  const entries = Object.entries(part).map(([key, value]) => [key, close(value)]);
  const all = Object.fromEntries(entries) as Schema;
  return all.properties === undefined ? all : { additionalProperties: false, ...all };
}
