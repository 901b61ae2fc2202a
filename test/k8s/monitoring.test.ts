/** Metrics, dashboard and alerts: named by Prometheus' rules, and each query about something that a node under load has. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { ApiDocs } from '../helpers/api-docs.js';
import { createRoom } from '../helpers/chat.js';
import { request } from '../helpers/http.js';
import { find, K8S, render } from '../helpers/kustomize.js';
import { keepTalking, Member } from '../helpers/member.js';
import { startNode } from '../helpers/node.js';
import { startProgram } from '../helpers/process.js';
import { readQuery, readScrape } from '../helpers/promql.js';
import { startRedis } from '../helpers/redis.js';
import { freePort, until } from '../helpers/wait.js';

interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}
interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string };
}

const objects = render(`${K8S}/overlays/production`);
const dashboard = JSON.parse(find(objects, 'ConfigMap', 'parlance-dashboard').data['parlance.json']) as {
  panels: Panel[];
};
const groups = find(objects, 'PrometheusRule', 'parlance').spec.groups as { rules: Rule[] }[];
const rules = groups.flatMap((group) => group.rules);
const panels = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map((target) => ({ title, ...target })),
);
const README = readFileSync(`${K8S}/../README.md`, 'utf8');

/** What Prometheus, or the way a node was found, adds to every series. */
const ADDED = ['instance', 'job', 'namespace', 'pod'];
const RATE = '[30s]';
const spelt = (expr: string) => expr.replaceAll('[$__rate_interval]', RATE);

const redis = await startRedis(t);
const node = await startNode(t, { REDIS_URL: redis.url, ROOMS_AUTH: 'trusted' });
const room = await createRoom(node);
const members = await Promise.all(
  ['ada', 'bob', 'eve'].map((user) => Member.join(t, { nodes: [node], room, user })),
);
const talk = keepTalking(members, 50);
await until('it flows', () => members.every(({ acknowledged }) => acknowledged.size > 5), 20_000);
const scrape = readScrape((await request<string>('GET', `${node.url}/metrics`)).text);

t.test('metrics are named as Prometheus wants them', async (t) => {
  const own = [...scrape.families].filter(([name]) => !/^(process|nodejs)_/.test(name));
  t.ok(own.length >= 19);
  for (const [name, { type, help }] of own) {
    t.match(name, /^parlance_[a-z_]+$/);
    t.match(help, /^[A-Z].*\.$/, `${name}: ${help}`);
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    t.notMatch(
      name,
      /_(ms|milliseconds|micros|minutes|hours|kb|mb|kib|mib|percent|count|sum|bucket)(_|$)/,
      'base units',
    );
    if (type === 'histogram') t.match(name, /_(seconds|bytes)$/);
    const labels = [name, `${name}_bucket`, `${name}_sum`].flatMap((one) => [
      ...(scrape.series.get(one) ?? []),
    ]);
    t.same(
      labels.filter((label) => !['dialect', 'code', 'le'].includes(label)),
      [],
      'no users, no rooms',
    );
    t.match(README, `| \`${name}\` | ${help}`, 'the README has it');
  }
  const listed = [...README.matchAll(/^\| `(parlance_\w+)` \|/gm)].map(([, name]) => name);
  t.same(listed.sort(), own.map(([name]) => name).sort(), 'and none that is not there');
});

t.test('every query is about metrics and labels that there are', async (t) => {
  const queries = [...panels.map(({ expr }) => spelt(expr)), ...rules.map(({ expr }) => expr)];
  t.ok(queries.length >= 30);
  for (const query of queries) {
    const { selected, grouped } = readQuery(query);
    t.ok(selected.length > 0, query);
    const there = selected.filter(({ metric }) => metric !== 'up');
    for (const { metric, labels } of there) {
      const known = scrape.series.get(metric);
      t.ok(known, `${metric} of ${query}`);
      for (const label of labels) t.ok(ADDED.includes(label) || known?.has(label), `${metric} has ${label}`);
    }
    for (const label of grouped) {
      const known = there.some(({ metric }) => scrape.series.get(metric)?.has(label));
      t.ok(known || ADDED.includes(label), `${label} of ${query}`);
    }
  }
  t.throws(() => readQuery('sum by (rate('), 'what is no query is found out');
  for (const { legendFormat, expr } of panels) {
    const [, label] = /\{\{(\w+)\}\}/.exec(legendFormat) ?? [];
    if (label) t.ok(readQuery(spelt(expr)).grouped.includes(label), `${legendFormat} of ${expr}`);
  }
  const [pods] = find(objects, 'HorizontalPodAutoscaler', 'parlance').spec.metrics;
  t.ok(scrape.series.has(pods.pods.metric.name), 'the autoscaler too');
});

t.test('every alert is told how bad it is, and the README says what to do', async (t) => {
  for (const { alert, labels, annotations } of rules) {
    t.match(labels.severity, /^(warning|critical)$/);
    t.ok(annotations.summary);
    t.match(README, `| \`${alert}\` |`, alert);
  }
});

t.test('the ways in reach every path of the API, and none of the operators', async (t) => {
  const docs = await ApiDocs.of(node);
  const paths = [
    ...Object.entries(docs.open.paths).map(([path, item]) => ({
      path,
      tags: Object.values(item).flatMap(({ tags = [] }) => tags),
    })),
    ...Object.values(docs.async.channels).map(({ address }) => ({ path: address, tags: [] })),
    ...['/docs', '/docs/sockets', '/docs/static/index.css', '/'].map((path) => ({ path, tags: [] })),
  ];
  interface Way {
    type: string;
    value: string;
  }
  const route = find(objects, 'HTTPRoute', 'parlance').spec.rules as { matches: { path: Way }[] }[];
  const ingress = find(render(`${K8S}/overlays/external`), 'Ingress', 'parlance').spec.rules[0].http.paths;
  const ways: Record<string, Way[]> = {
    gateway: route.flatMap(({ matches }) => matches.map(({ path }) => path)),
    ingress: (ingress as { path: string; pathType: string }[]).map(({ path, pathType }) => ({
      type: pathType,
      value: path,
    })),
  };
  for (const [name, all] of Object.entries(ways)) {
    for (const { path, tags } of paths) {
      // Both match by whole steps of the path.
      const fits = all.some(({ type, value }) =>
        type === 'Exact' ? path === value : path === value || path.startsWith(`${value.replace(/\/$/, '')}/`),
      );
      t.equal(fits, !(tags as string[]).includes('operators'), `${name}: ${path}`);
    }
  }
});

const noPrometheus = spawnSync('prometheus', ['--version']).error && 'there is no prometheus here';

t.test(
  'a Prometheus that scrapes the node has data for every panel',
  { skip: noPrometheus ?? false },
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'parlance-prometheus-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    writeFileSync(join(dir, 'rules.yml'), stringify({ groups }));
    const scraping = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [{ job_name: 'parlance', static_configs: [{ targets: [`127.0.0.1:${node.port}`] }] }],
    };
    writeFileSync(join(dir, 'prometheus.yml'), stringify(scraping));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = [
      `--config.file=${dir}/prometheus.yml`,
      `--storage.tsdb.path=${dir}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    startProgram(t, 'prometheus', 'prometheus', args, { cwd: dir, env: { PATH: process.env.PATH } });
    interface Found {
      status: string;
      error?: string;
      data: { result: { value: [number, string] }[] };
    }
    const ask = async (query: string) =>
      (await request<Found>('GET', `${url}/api/v1/query?query=${encodeURIComponent(query)}`)).body;
    await until(
      'it scraped for a while',
      async () => {
        const { data } = await ask('count_over_time(parlance_feeds[1m])');
        return Number(data.result[0]?.value[1] ?? 0) >= 5;
      },
      60_000,
      250,
    );
    for (const { title, expr } of panels) {
      const { status, error, data } = await ask(spelt(expr));
      t.equal(status, 'success', `${title}: ${error}`);
      t.ok(data.result.length > 0, `${title}: ${expr}`);
      for (const { value } of data.result) t.ok(Number.isFinite(Number(value[1])), `${title}: ${value[1]}`);
    }
    interface Loaded {
      data: { groups: { rules: { name: string; health: string; state: string; lastError?: string }[] }[] };
    }
    const loaded = async () =>
      (await request<Loaded>('GET', `${url}/api/v1/rules`)).body.data.groups.flatMap((one) => one.rules);
    await until(
      'every rule was evaluated',
      async () => (await loaded()).every(({ health }) => health !== 'unknown'),
      30_000,
      250,
    );
    const seen = await loaded();
    t.equal(seen.length, rules.length);
    for (const { name, health, state, lastError } of seen) {
      t.equal(health, 'ok', `${name}: ${lastError}`);
      // How fast a node is depends on what else this machine does.
      if (!name.endsWith('Slow')) t.equal(state, 'inactive', name);
    }

    // And an alert does what it is for.
    await node.kill9();
    await until(
      'the node that is gone is noticed',
      async () => {
        return (await loaded()).some(({ name, state }) => name === 'ParlanceDown' && state === 'pending');
      },
      30_000,
      250,
    );
  },
);

t.teardown(() => talk.stop());
