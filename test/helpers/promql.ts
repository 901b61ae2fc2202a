/** What a PromQL query speaks of, and the metrics of a scrape. */

import { parser } from '@prometheus-io/lezer-promql';

/** A metric of a query, with the labels that it is asked for. */
export interface Selected {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** The metrics of a query, and the labels by which it groups. Throws for what is no PromQL. */
export function readQuery(query: string): { selected: Selected[]; grouped: string[] } {
  const selected: { metric: string; labels: string[] }[] = [];
  const grouped: string[] = [];
  parser.parse(query).iterate({
    enter({ name, from, to, type, node }) {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${query}`);
      if (name === 'VectorSelector') {
        const metric = node.getChild('Identifier');
        const labels = [...query.slice(from, to).matchAll(/[{,]\s*(\w+)\s*(?:=|!=)/g)].map(
          ([, one]) => one as string,
        );
        selected.push({ metric: metric ? query.slice(metric.from, metric.to) : '', labels });
      }
      if (name === 'GroupingLabels') grouped.push(...query.slice(from + 1, to - 1).split(/\s*,\s*/));
    },
  });
  return { selected, grouped };
}

/** What a scrape says of one metric. */
export interface Scraped {
  readonly type: string;
  readonly help: string;
  /** The names of its labels. */
  readonly labels: ReadonlySet<string>;
  readonly samples: number;
}

/** The metrics of a scrape, by the names that queries use. */
export function readScrape(text: string): {
  families: Map<string, { type: string; help: string }>;
  series: Map<string, Set<string>>;
} {
  const families = new Map<string, { type: string; help: string }>();
  const series = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind) {
      const family = families.get(name) ?? { type: '', help: '' };
      families.set(name, kind === 'HELP' ? { ...family, help: rest } : { ...family, type: rest });
      continue;
    }
    const sample = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line);
    if (!sample?.[1]) continue;
    const labels = series.get(sample[1]) ?? new Set();
    for (const [, label = ''] of (sample[2] ?? '').matchAll(/(\w+)="/g)) labels.add(label);
    series.set(sample[1], labels);
  }
  return { families, series };
}
