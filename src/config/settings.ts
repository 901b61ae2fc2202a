/**
 * The kinds of setting that the environment may hold, and how a table of them is read. What the
 * settings of Parlance are, and the rules between them, is in ../config.ts.
 */

/** Why a value was refused, in words that complete "NAME ...". Never holds the value: it may be a secret. */
export class SettingFault extends Error {
  override name = 'SettingFault';
}

/** One setting: what the documentation says about it, and how its text is read. */
export interface Setting<T> {
  /** The name of the environment variable. */
  readonly name: string;
  /** The accepted values, in words. */
  readonly type: string;
  /** The value that stands when the variable is unset or empty, as one would write it; '' for none. */
  readonly default: string;
  /** One sentence. */
  readonly doc: string;
  /** @throws SettingFault when `text` is not of the type */
  readonly parse: (text: string) => T;
  /** What it is when it is not given and has no default; undefined unless said. */
  readonly none?: T;
}

/** The value that a setting takes once read; undefined where it has no default. */
export type SettingValue<S> = S extends Setting<infer T> ? T : never;

/** Which whole numbers are taken: `min` to `max` and, with `off`, also 0, which switches a limit off. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly off?: boolean;
}

function rangeInWords({ min, max, off }: Range): string {
  return `integer, ${min} to ${max}${off ? ', or 0' : ''}`;
}

function readInteger(range: Range): (value: string) => number {
  return (value) => {
    const n = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if ((n >= range.min && n <= range.max) || (range.off && n === 0)) return n;
    throw new SettingFault(`must be an ${rangeInWords(range)}`);
  };
}

/** A whole number. */
export function integer(name: string, fallback: number, range: Range, doc: string): Setting<number> {
  return parsed(name, rangeInWords(range), String(fallback), doc, readInteger(range));
}

/** A whole number whose default is worked out from other settings: undefined when not given. */
export function derivedInteger(name: string, range: Range, doc: string): Setting<number | undefined> {
  return optional(name, rangeInWords(range), doc, readInteger(range));
}

function readFlag(value: string): boolean {
  const word = value.toLowerCase();
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw new SettingFault('must be true or false');
}

/** `true` or `false` (also `1` and `0`). */
export function flag(name: string, fallback: boolean, doc: string): Setting<boolean> {
  return parsed(name, 'true or false', String(fallback), doc, readFlag);
}

/** A flag whose default is worked out from other settings: undefined when not given. */
export function derivedFlag(name: string, doc: string): Setting<boolean | undefined> {
  return optional(name, 'true or false', doc, readFlag);
}

/** One of the `words`. */
export function oneOf<const W extends string>(
  name: string,
  words: readonly W[],
  fallback: NoInfer<W>,
  doc: string,
): Setting<W> {
  return parsed(name, words.join(', '), fallback, doc, (value) => word(words, value));
}

/** One of the `words`, or undefined when not given. */
export function optionalOneOf<const W extends string>(
  name: string,
  words: readonly W[],
  doc: string,
): Setting<W | undefined> {
  return optional(name, words.join(', '), doc, (value) => word(words, value));
}

function word<W extends string>(words: readonly W[], value: string): W {
  const found = words.find((each) => each === value);
  if (found === undefined) throw new SettingFault(`must be one of ${words.join(', ')}`);
  return found;
}

/** Any text. */
export function text(name: string, fallback: string, doc: string): Setting<string> {
  return parsed(name, 'text', fallback, doc, (value) => value);
}

/** Anything that `parse` reads. */
export function parsed<T>(
  name: string,
  type: string,
  fallback: string,
  doc: string,
  parse: (value: string) => T,
): Setting<T> {
  return { name, type, default: fallback, doc, parse };
}

/** Anything that `parse` reads, or undefined when not given. */
export function optional<T>(
  name: string,
  type: string,
  doc: string,
  parse: (value: string) => T,
): Setting<T | undefined> {
  return { name, type, default: '', doc, parse };
}

/** A comma list, each entry trimmed and read by `parse`. An empty entry is a fault. */
export function list<T>(
  name: string,
  type: string,
  fallback: string,
  doc: string,
  parse: (entry: string) => T,
): Setting<readonly T[]> {
  const read = (value: string): readonly T[] => {
    const entries = value.split(',').map((entry) => entry.trim());
    if (entries.includes('')) throw new SettingFault('has an empty entry');
    return Object.freeze(entries.map(parse));
  };
  return { name, type: `${type}, comma list`, default: fallback, doc, parse: read, none: Object.freeze([]) };
}

/**
 * `value` as an http(s) URL, as given.
 * @throws SettingFault when it is none, or holds credentials (they would reach logs and error texts)
 */
export function httpUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new SettingFault('must be an http:// or https:// URL');
  if (url.username !== '' || url.password !== '') throw new SettingFault('must not hold credentials');
  return value;
}

/**
 * `value` as an http(s) URL to which paths are appended: no query, no fragment, no trailing slash.
 * @throws SettingFault when it is none
 */
export function httpBase(value: string): string {
  const url = new URL(httpUrl(value));
  if (url.search !== '' || url.hash !== '') throw new SettingFault('must have no query and no fragment');
  return url.href.replace(/\/+$/, '');
}

/**
 * `value` as an origin: scheme, host and port, nothing after them (RFC 6454).
 * @throws SettingFault when it is none
 */
export function httpOrigin(value: string): string {
  const base = httpBase(value);
  if (base !== new URL(base).origin) throw new SettingFault('must have no path');
  return base;
}

/** A table of settings by the field that each fills. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;
/** The object that a table reads into. */
export type SettingValues<T extends SettingTable> = { readonly [K in keyof T]: SettingValue<T[K]> };

/**
 * Reads every setting of `table` from `env`. A variable that is unset or blank stands for its
 * default, and for its `none` where there is no default. What cannot be read is left
 * out and named in `faults`.
 */
export function readSettings<T extends SettingTable>(
  table: T,
  env: NodeJS.ProcessEnv,
  faults: string[],
): Partial<SettingValues<T>> {
  const values: Record<string, unknown> = {};
  for (const [field, setting] of Object.entries(table)) {
    const given = env[setting.name]?.trim() ?? '';
    const source = given === '' ? setting.default : given;
    try {
      values[field] = source === '' ? setting.none : setting.parse(source);
    } catch (error) {
      if (!(error instanceof SettingFault)) throw error;
      faults.push(`${setting.name} ${error.message}`);
    }
  }
  return values as Partial<SettingValues<T>>;
}

/** The address variables that Docker links and Kubernetes services put into the environment by themselves. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)$/;

/**
 * One warning for each variable of `env` that nothing reads but that looks as if it was meant for
 * one of the `known`: by the prefix, or by a slip of the finger or two.
 */
export function unknownSettings(env: NodeJS.ProcessEnv, known: readonly string[], prefix: string): string[] {
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(env)) {
    if (known.includes(key) || SERVICE_LINK.test(key) || /^(tcp|udp):\/\//.test(value ?? '')) continue;
    const name = key.toUpperCase();
    const prefixed = name.startsWith(prefix);
    const meant = nearest(prefixed ? name.slice(prefix.length) : name, known);
    if (meant !== undefined) warnings.push(`${key} is not a setting: did you mean ${meant}?`);
    else if (prefixed) warnings.push(`${key} is not a setting`);
  }
  return warnings;
}

function nearest(name: string, known: readonly string[]): string | undefined {
  // Two slips in a short name make another word (HOME is no HOST): those get one.
  const slips = name.length < 8 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = slips + 1;
  for (const each of known) {
    if (Math.abs(each.length - name.length) > slips) continue;
    const distance = editDistance(name, each);
    if (distance < bestDistance) [best, bestDistance] = [each, distance];
  }
  return best;
}

/** Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + cost,
        swapped ? (older[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [older, above] = [above, row];
  }
  return above[b.length] ?? 0;
}
