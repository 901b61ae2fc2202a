/** The AsyncAPI document as a page, for people: no script, nothing from elsewhere. */

import type { TSchema } from 'typebox';
import type { SocketRoute } from '../dialects/dialect.js';
import { addressOf } from './asyncapi.js';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1b1b}
h2{border-top:1px solid #ccc;padding-top:1rem}code,pre{font:14px/1.4 ui-monospace,monospace}
pre{background:#f4f4f4;padding:.75rem;overflow:auto}summary{cursor:pointer}`;

/** Its style is the only thing that the page has beside text: this is its Content-Security-Policy. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** Every socket with its frames. `base`: the path below which the documents are. */
export function socketsPage(
  sockets: readonly Pick<SocketRoute, 'path' | 'docs' | 'encoder'>[],
  base: string,
): string {
  const parts = sockets.map(
    ({ path, docs, encoder }) => `<h2><code>${escaped(addressOf(path))}</code></h2>
<p>${escaped(encoder.dialect)}: ${escaped(docs.summary)}. Query: ${names(docs.query)}.</p>
<h3>Sent by clients</h3>${frames(docs.receives)}
<h3>Sent to clients</h3>${frames(docs.sends)}`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Parlance: sockets</title><style>${STYLE}</style>
<h1>Sockets</h1>
<p>The same as <a href="${base}/asyncapi.json">AsyncAPI 3</a>. Routes are in <a href="${base}">another document</a>.</p>
${parts.join('\n')}</html>`;
}

function frames(all: Readonly<Record<string, TSchema>>): string {
  return Object.entries(all)
    .map(
      ([name, schema]) =>
        `<details><summary><code>${escaped(name)}</code></summary><pre>${escaped(JSON.stringify(schema, null, 2))}</pre></details>`,
    )
    .join('');
}

function names(schema: TSchema): string {
  const { properties = {} } = schema as { properties?: Record<string, unknown> };
  return Object.keys(properties)
    .map((name) => `<code>${escaped(name)}</code>`)
    .join(', ');
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
