/** JSON made from schemas, as text: mostly what a schema wants, with a fault here and there. */

import fc from 'fast-check';
import { nested, oddJson, oddNumber, oddText, prototyped } from './odd.js';

export type Schema = Record<string, unknown>;
/** Values that stand for something that is there, by the name of a field or parameter. */
export type Known = (name: string) => readonly string[];

/** One part in so many is not what its schema wants. */
const FAULT = 24;
/** More than a node takes in one frame or body. */
const TOO_LARGE = 'x'.repeat(110_000);

/** A text as people write them, or as nobody does. */
export const anyText = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }) },
  { weight: 1, arbitrary: oddText },
);

/** Text of a JSON value that keeps to `schema`, but for a fault in every so many parts. */
export function jsonOf(schema: Schema, known: Known, name = ''): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: FAULT, arbitrary: goodJson(schema, known, name) },
    { weight: 1, arbitrary: oddJson },
  );
}

function goodJson(schema: Schema, known: Known, name: string): fc.Arbitrary<string> {
  const {
    anyOf,
    enum: values,
    const: value,
    type,
  } = schema as { anyOf?: Schema[]; enum?: unknown[] } & Schema;
  if (anyOf) return fc.oneof(...anyOf.map((one) => jsonOf(one, known, name)));
  if (values) return fc.constantFrom(...values.map((one) => JSON.stringify(one)));
  if (value !== undefined) return fc.constant(JSON.stringify(value));
  if (type === 'object') return objectJson(schema, known);
  if (type === 'array') {
    const items = jsonOf((schema.items ?? {}) as Schema, known, name);
    return fc.array(items, { maxLength: 4 }).map((all) => `[${all.join()}]`);
  }
  if (type === 'boolean') return fc.constantFrom('true', 'false');
  if (type === 'null') return fc.constant('null');
  if (type === 'integer' || type === 'number') return numberJson(known(name));
  return textJson(known(name));
}

function numberJson(known: readonly string[]): fc.Arbitrary<string> {
  const numbers = known.filter((value) => /^(0|[1-9]\d*)$/.test(value));
  const others = fc.oneof(fc.maxSafeInteger().map(String), oddNumber);
  return numbers.length > 0 ? fc.oneof(fc.constantFrom(...numbers), others) : others;
}

function textJson(known: readonly string[]): fc.Arbitrary<string> {
  const texts = anyText.map((text) => JSON.stringify(text));
  if (known.length === 0) return texts;
  const there = fc.constantFrom(...known).map((text) => JSON.stringify(text));
  return fc.oneof({ weight: 3, arbitrary: there }, { weight: 1, arbitrary: texts });
}

function objectJson({ properties = {}, required = [] }: Schema, known: Known): fc.Arbitrary<string> {
  const fields = Object.entries(properties as Record<string, Schema>).map(([name, schema]) => {
    const freq = (required as string[]).includes(name) ? FAULT : 2;
    const field = jsonOf(schema, known, name).map((json) => `${JSON.stringify(name)}:${json}`);
    return fc.option(field, { freq });
  });
  const extra = fc
    .tuple(fc.oneof(fc.constantFrom('__proto__', 'constructor', 'ref', 'type'), oddText), oddJson)
    .map(([name, json]) => `${JSON.stringify(name.slice(0, 100))}:${json}`);
  return fc
    .tuple(fc.tuple(...fields), extra, fc.nat(FAULT))
    .map(([all, more, lot]) => [...all, lot === 0 ? more : null].filter((field) => field !== null))
    .map((all) => `{${all.join()}}`);
}

/** The bytes of a body or frame: text of `json`, at times cut short, with a byte changed, or something else altogether. */
export function bytesOf(json: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const good = json.map((text) => Buffer.from(text));
  const broken = fc
    .tuple(good, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255), fc.boolean())
    .map(([bytes, share, byte, cut]) => {
      const at = Math.floor(share * Math.max(0, bytes.length - 1));
      if (cut) return bytes.subarray(0, at);
      const changed = Buffer.from(bytes);
      if (changed.length > 0) changed[at] = byte;
      return changed;
    });
  return fc.oneof(
    { weight: 40, arbitrary: good },
    { weight: 4, arbitrary: broken },
    { weight: 1, arbitrary: fc.oneof(oddJson, oddText, prototyped).map((text) => Buffer.from(text)) },
    {
      weight: 1,
      arbitrary: fc.oneof(nested, fc.constant(JSON.stringify(TOO_LARGE))).map((text) => Buffer.from(text)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) },
  );
}
