import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { scripts } from '../../src/redis/scripts.js';
import { clientOf } from '../helpers/redis.js';
import { startAnyRedis } from '../helpers/topology.js';

const FOLDER = new URL('../../src/redis/lua/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.lua'));
const names = files.map((name) => name.replace(/\.lua$/, ''));

interface Parts {
  header: string;
  body: string;
}

/** The comment at the top, in one piece, and the rest. */
function partsOf(name: string): Parts {
  const lines = readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8').split('\n');
  const end = lines.findIndex((line, i) => i > 0 && !/^--(?! @include)/.test(line));
  return { header: lines.slice(1, end).join('\n'), body: lines.slice(end).join('\n') };
}

/** What the header says of `KEYS`, `ARGV` or `ANSWER`, up to the next of them. */
function section(header: string, title: string): string | undefined {
  return new RegExp(
    `^-- ${title}\\s+([\\s\\S]*?)(?=^-- (?:KEYS|ARGV|ANSWER|ERRORS)\\b|$(?![\\s\\S]))`,
    'm',
  ).exec(header)?.[1];
}

/** The numbers that a section names: `1 here, 2 entries of the node`. One without numbers names the first. */
function numbersIn(text: string): Set<number> {
  const found = [...text.matchAll(/(?:^|[,;]|-- )\s*(\d+) [a-z']/gm)].map((match) => Number(match[1]));
  return new Set(found.length === 0 && !/^none\b/.test(text) ? [1] : found);
}

function used(body: string, table: 'KEYS' | 'ARGV'): number[] {
  const direct = [...body.matchAll(new RegExp(`\\b${table}\\[(\\d+)\\]`, 'g'))].map((match) =>
    Number(match[1]),
  );
  return [...new Set(direct)].sort((a, b) => a - b);
}

for (const name of names) {
  t.test(`${name}.lua`, async (t) => {
    const { header, body } = partsOf(name);
    t.match(
      readFileSync(new URL(`${name}.lua`, FOLDER), 'utf8'),
      /^#!lua( |\n)/,
      'declares itself, so that a cluster checks its slots',
    );
    for (const title of ['KEYS', 'ARGV', 'ANSWER'])
      t.ok(section(header, title)?.trim(), `the header says its ${title}`);
    for (const table of ['KEYS', 'ARGV'] as const) {
      const said = numbersIn(section(header, table) ?? '');
      const missing = used(body, table).filter((n) => !said.has(n));
      t.strictSame(missing, [], `every ${table}[n] of the body is in the header`);
      if (!/\bper\b|\bthen\b/.test(section(header, table) ?? '')) {
        const unused = [...said].filter((n) => !used(body, table).includes(n));
        t.strictSame(unused, [], `every ${table} of the header is used`);
      }
    }
    t.notMatch(body, /\bTIME\b[\s\S]*\bmath\.random\b/, 'nothing random');
  });
}

t.test('every file is a script that is loaded, and the other way round', async (t) => {
  t.strictSame(new Set(Object.values(scripts).map((script) => script.name)), new Set(names));
  t.equal(new Set(Object.values(scripts).map(({ sha }) => sha)).size, names.length);
  for (const { name, source } of Object.values(scripts))
    t.notMatch(source, /@include/, `${name}: includes are put in`);
});

t.test('Redis takes every script, under the hash that it is called by', async (t) => {
  const server = await startAnyRedis(t);
  const redis = clientOf(t, server);
  for (const { name, source, sha } of Object.values(scripts)) {
    t.equal(await redis.script('LOAD', source), sha, name);
  }
});
