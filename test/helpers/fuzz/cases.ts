/** Cases for the fuzzer, made from a node's API documents: what is documented is fuzzed, a new route or frame too. */

import fc from 'fast-check';
import type { ApiDocs, OpenApiOperation, Parameter } from '../api-docs.js';
import { type FormPart, form, SAMPLES } from '../files.js';
import { anyText, bytesOf, jsonOf, type Known, type Schema } from './json.js';
import { oddText } from './odd.js';
import type { FuzzWorld } from './world.js';

/** A request as it goes to a node. */
export interface RequestCase {
  readonly kind: 'request';
  readonly method: string;
  /** The documented path that it is for; undefined where its method or path may lead elsewhere. */
  readonly path: string | undefined;
  readonly target: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

/** An upgrade of a documented socket. */
export interface UpgradeCase {
  readonly kind: 'upgrade';
  /** What counts it. */
  readonly dialect: string;
  /** Whether it can lead to this dialect only. */
  readonly exact: boolean;
  readonly target: string;
  readonly headers: Record<string, string>;
}

/** A frame for a documented socket. */
export interface FrameCase {
  readonly kind: 'frame';
  readonly address: string;
  /** Whose socket: 0 or 1. */
  readonly who: number;
  readonly data: Buffer;
  readonly binary: boolean;
}

export type FuzzCase = RequestCase | UpgradeCase | FrameCase;

/** How often each kind comes. */
const WEIGHTS = { request: 11, frame: 8, upgrade: 1 };
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];
const RAW_SEGMENTS = [
  '..',
  '.',
  '%',
  '%zz',
  '%00',
  '%c0%af',
  '%ff',
  '%2e%2e',
  '*',
  '',
  ';',
  'a/b',
  '9'.repeat(8_500),
];

/** Every operation and socket of the documents, in the words of this world. */
export function casesOf(docs: ApiDocs, world: FuzzWorld): fc.Arbitrary<FuzzCase> {
  const requests = Object.entries(docs.open.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => requestsOf(method, path, operation, world)),
  );
  const channels = Object.values(docs.async.channels);
  const frames = channels.map(({ address, messages }) => {
    const taken = Object.entries(messages).filter(([name]) => name.startsWith('in.'));
    return framesOf(
      address,
      taken.map(([, { payload }]) => payload),
      world.known,
    );
  });
  const upgrades = channels.map(({ address, title }) => upgradesOf(address, title, world));
  return fc.oneof(
    { weight: WEIGHTS.request, arbitrary: fc.oneof(...requests) },
    { weight: WEIGHTS.frame, arbitrary: fc.oneof(...frames) },
    { weight: WEIGHTS.upgrade, arbitrary: fc.oneof(...upgrades) },
  );
}

function requestsOf(
  method: string,
  path: string,
  { parameters = [], requestBody }: OpenApiOperation,
  { people, badTokens, known }: FuzzWorld,
): fc.Arbitrary<RequestCase> {
  const named = (where: string) => parameters.filter((one) => one.in === where);
  const kind = Object.entries(requestBody?.content ?? {})[0];
  const body = kind ? bodyOf(kind[0], kind[1].schema, known) : fc.constant(undefined);
  const tokens = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...people.map(({ token }) => `Bearer ${token}`)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('', 'Bearer', 'Basic YTpi', ...badTokens.map((bad) => `Bearer ${bad}`)),
    },
  );
  const methods = fc.oneof(
    { weight: 40, arbitrary: fc.constant(method.toUpperCase()) },
    { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
  );
  return fc
    .tuple(
      methods,
      targetOf(path, known),
      queryOf(named('query'), known),
      headersOf(named('header'), known),
      tokens,
      body,
    )
    .map(([verb, target, query, headers, authorization, sent]) => ({
      kind: 'request',
      method: verb,
      path: target.exact && verb === method.toUpperCase() ? path : undefined,
      target: target.target + query,
      headers: { ...headers, ...(authorization === '' ? {} : { authorization }), ...sent?.headers },
      body: sent?.body,
    }));
}

/** A documented path with something for each of its parameters; `exact`: it leads there and nowhere else. */
function targetOf(path: string, known: Known): fc.Arbitrary<{ target: string; exact: boolean }> {
  const parts = path.split(/(\{\w+\})/).map((part): fc.Arbitrary<[string, boolean]> => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (name === undefined) return fc.constant([part, true]);
    const there = fc.constantFrom(...known(name)).map((value): [string, boolean] => [encoded(value), true]);
    const odd = oddText.map((text): [string, boolean] => [encoded(text.slice(0, 500)), text !== '']);
    const raw = fc.constantFrom(...RAW_SEGMENTS).map((text): [string, boolean] => [text, false]);
    return fc.oneof(
      { weight: 10, arbitrary: there },
      { weight: 2, arbitrary: odd },
      { weight: 1, arbitrary: raw },
    );
  });
  return fc.tuple(fc.tuple(...parts), fc.nat(9)).map(([all, lot]) => {
    const target = all.map(([text]) => text).join('');
    const slashed = target.endsWith('/') ? target.slice(0, -1) : `${target}/`;
    return { target: lot === 0 ? slashed : target, exact: all.every(([, exact]) => exact) };
  });
}

function queryOf(parameters: readonly Parameter[], known: Known): fc.Arbitrary<string> {
  const fields = parameters.map(({ name }) => {
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...known(name)) },
      anyText,
      fc.maxSafeInteger().map(String),
    );
    return fc.option(
      value.map((text) => `${name}=${encoded(text.slice(0, 2_000))}`),
      { freq: 2 },
    );
  });
  const noise = fc.constantFrom(
    'limit=1&limit=2',
    '__proto__=a',
    'limit[]=1',
    '%',
    '&&&=',
    'a=%ff',
    `a=${'b'.repeat(5_000)}`,
  );
  return fc
    .tuple(fc.tuple(...fields), noise, fc.nat(9))
    .map(([all, more, lot]) => [...all, lot === 0 ? more : null].filter((field) => field !== null))
    .map((all) => (all.length > 0 ? `?${all.join('&')}` : ''));
}

function headersOf(parameters: readonly Parameter[], known: Known): fc.Arbitrary<Record<string, string>> {
  const fields = parameters.map(({ name }) => {
    const odd = fc.constantFrom('', ' ', 'x'.repeat(255), 'x'.repeat(256), '\xff\xfe', 'a:b:c', '__proto__');
    const fresh = fc.uuid();
    const value = fc.oneof({ weight: 4, arbitrary: fresh }, fc.constantFrom(...known(name)), odd);
    return fc.option(
      value.map((text): [string, string] => [name, text]),
      { freq: 2 },
    );
  });
  return fc.tuple(...fields).map((all) => Object.fromEntries(all.filter((field) => field !== null)));
}

interface Sent {
  headers: Record<string, string>;
  body: Buffer;
}

function bodyOf(type: string, schema: Schema, known: Known): fc.Arbitrary<Sent> {
  const types = fc.oneof(
    { weight: 40, arbitrary: fc.constant(type) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('application/json', 'text/plain', 'multipart/form-data', ';', 'a/b/c', ''),
    },
  );
  const whole = type === 'multipart/form-data' ? formsOf(schema, known) : jsonBodies(schema, known);
  return fc.tuple(whole, types).map(([{ headers, body }, given]) => ({
    headers: given === type ? headers : given === '' ? {} : { 'content-type': given },
    body,
  }));
}

function jsonBodies(schema: Schema, known: Known): fc.Arbitrary<Sent> {
  const headers = { 'content-type': 'application/json' };
  return bytesOf(jsonOf(schema, known)).map((body) => ({ headers, body }));
}

function formsOf({ properties = {} }: Schema, known: Known): fc.Arbitrary<Sent> {
  const fields = Object.entries(properties as Record<string, Schema>);
  const part = fc.oneof(...fields.map(([name, schema]) => partOf(name, schema, known)));
  const whole = fc.tuple(...fields.map(([name, schema]) => partOf(name, schema, known)));
  const parts = fc.oneof({ weight: 8, arbitrary: whole }, fc.array(part, { maxLength: 12 }));
  return fc.tuple(parts, fc.nat(20), fc.double({ min: 0, max: 1, noNaN: true })).map(([all, lot, share]) => {
    const { headers, body } = form(all);
    return { headers, body: lot === 0 ? body.subarray(0, Math.floor(share * body.length)) : body };
  });
}

function partOf(field: string, schema: Schema, known: Known): fc.Arbitrary<FormPart> {
  const binary = JSON.stringify(schema).includes('"binary"');
  const name = fc.constantFrom(
    'a.png',
    '',
    '../../etc/passwd',
    'x'.repeat(300),
    '\u202egnp.exe',
    'a;b=c',
    '%00.html',
  );
  const bytes = fc.oneof(fc.constantFrom(...Object.values(SAMPLES)), fc.uint8Array({ maxLength: 2_000 }));
  const file = fc.record({ field: fc.constant(field), name, bytes });
  const value = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known(field)) }, anyText);
  const text = fc.record({ field: fc.constant(field), value });
  return fc.oneof<fc.MaybeWeightedArbitrary<FormPart>[]>(
    { weight: binary ? 12 : 1, arbitrary: file },
    { weight: binary ? 1 : 12, arbitrary: text },
  );
}

function framesOf(address: string, schemas: readonly Schema[], known: Known): fc.Arbitrary<FrameCase> {
  const data = bytesOf(fc.oneof(...schemas.map((schema) => jsonOf(schema, known))));
  return fc.record({
    kind: fc.constant('frame'),
    address: fc.constant(address),
    who: fc.nat(1),
    data,
    binary: fc.nat(40).map((lot) => lot === 0),
  });
}

function upgradesOf(
  address: string,
  dialect: string,
  { people, badTokens, known }: FuzzWorld,
): fc.Arbitrary<UpgradeCase> {
  const parameters = ['token', 'since', 'ticket'].map((name) => ({ name, in: 'query' }));
  const protocols = fc.constantFrom(
    'bearer',
    'bearer, ,',
    'bearer, bearer',
    '',
    'a, b',
    `bearer, ${people[0].token}`,
    `bearer, ${badTokens[0]}`,
  );
  const tokens = fc.constantFrom('', ...people.map(({ token }) => `Bearer ${token}`), 'Bearer x');
  return fc
    .tuple(targetOf(address, known), queryOf(parameters, known), fc.option(protocols, { freq: 2 }), tokens)
    .map(([{ target, exact }, query, protocol, authorization]) => ({
      kind: 'upgrade',
      dialect,
      exact,
      target: target + query,
      headers: {
        ...(authorization === '' ? {} : { authorization }),
        ...(protocol === null ? {} : { 'sec-websocket-protocol': protocol }),
      },
    }));
}

/** Percent-encoded, lone surrogates as U+FFFD. */
function encoded(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString());
}
