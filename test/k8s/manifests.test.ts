/** The manifests: valid to the letter, and one with the program that they run. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { CONFIG } from '../../src/config/table.js';
import { loadConfig } from '../../src/config.js';
import { DRAIN_MARGIN_MS } from '../../src/drain.js';
import { faultsOf } from '../helpers/k8s-schemas.js';
import {
  type Container,
  containersIn,
  containersOf,
  find,
  K8S,
  type K8sObject,
  OVERLAYS,
  podOf,
  render,
} from '../helpers/kustomize.js';
import { TEST_SECRET } from '../helpers/token.js';

const rendered = OVERLAYS.map((name) => ({ name, objects: render(`${K8S}/overlays/${name}`) }));
const nodeOf = (objects: readonly K8sObject[]) =>
  containersOf(find(objects, 'Deployment', 'parlance'))[0] as Container;
const dataOf = (objects: readonly K8sObject[]) =>
  find(objects, 'ConfigMap', 'parlance').data as Record<string, string>;
const nameOf = ({ kind, metadata }: K8sObject) => `${kind} ${metadata.name}`;

const { error: noKubectl } = spawnSync('kubectl', ['version', '--client'], { timeout: 60_000 });
const skip = noKubectl && 'there is no kubectl here to compare with';

t.test('they are rendered as kubectl renders them', { skip: skip ?? false }, async (t) => {
  for (const { name, objects } of rendered) {
    const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', `${K8S}/overlays/${name}`], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    t.equal(status, 0, stderr);
    const theirs = parseAllDocuments(stdout).map((document) => document.toJS() as K8sObject);
    const byName = (all: readonly K8sObject[]) => Object.fromEntries(all.map((one) => [nameOf(one), one]));
    t.same(byName(objects), byName(theirs), name);
  }
});

t.test('every object is what its schema says, and nothing more', async (t) => {
  for (const { name, objects } of rendered) {
    t.equal(new Set(objects.map(nameOf)).size, objects.length, 'each is there once');
    for (const object of objects) t.same(await faultsOf(object), [], `${name}: ${nameOf(object)}`);
  }
  const deployment = structuredClone(find(rendered[0]?.objects ?? [], 'Deployment', 'parlance'));
  podOf(deployment).containers[0].readinesProbe = {};
  t.same(await faultsOf(deployment), ['.spec.template.spec.containers.0.readinesProbe is in no schema']);
  podOf(deployment).containers[0].readinesProbe = undefined;
  deployment.spec.replicas = 'three';
  t.match(await faultsOf(deployment), [/replicas/]);
});

t.test('labels, pinned images, and secrets by reference only', async (t) => {
  const readme = readFileSync(`${K8S}/../README.md`, 'utf8');
  for (const { name, objects } of rendered) {
    for (const object of objects) {
      t.not(object.kind, 'Secret', 'no secret stands in the repository');
      const { labels = {}, namespace } = object.metadata;
      for (const label of ['name', 'component', 'part-of']) {
        t.ok(labels[`app.kubernetes.io/${label}`], `${nameOf(object)}: ${label}`);
      }
      if (object.kind !== 'Namespace') t.equal(namespace, name === 'dev' ? 'parlance-dev' : 'parlance');
      for (const { image, env = [] } of containersOf(object)) {
        t.match(image, /:[^:]*\d/, `${nameOf(object)}: an image of one version`);
        t.notMatch(image, /:latest$/);
        for (const { valueFrom } of env) {
          const { name: secret, key } = valueFrom?.secretKeyRef ?? {};
          if (secret)
            t.match(readme, `--from-literal=${key}=`, `the README tells how ${secret}/${key} is made`);
        }
      }
    }
  }
});

t.test('every pod passes as "restricted"', async (t) => {
  for (const { objects } of rendered) {
    for (const object of objects.filter(podOf)) {
      const pod = podOf(object);
      const what = nameOf(object);
      t.equal(pod.automountServiceAccountToken, false, what);
      t.equal(pod.enableServiceLinks, false, what);
      t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }, what);
      t.ok(pod.securityContext.runAsUser > 0, what);
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) t.notOk(pod[field], what);
      for (const container of containersOf(object)) {
        t.match(
          container.securityContext,
          {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          what,
        );
        t.ok(container.resources.requests?.cpu && container.resources.limits?.memory, `${what}: resources`);
      }
    }
    const namespace = objects.find(({ kind }) => kind === 'Namespace');
    t.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  }
});

t.test('every setting is in the manifests, and none that the program does not have', async (t) => {
  const settings = Object.values(CONFIG).map(({ name }) => name);
  for (const { name, objects } of rendered) {
    const { env = [], envFrom = [] } = nodeOf(objects);
    t.same(envFrom, [{ configMapRef: { name: 'parlance' } }]);
    const set = [...Object.keys(dataOf(objects)), ...env.map((one) => one.name)];
    t.same(
      set.sort(),
      [...settings].sort(),
      `${name}: k8s/base/configmap.yaml, or deployment.yaml for secrets`,
    );
  }
});

t.test('the program takes them', async (t) => {
  for (const { name, objects } of rendered) {
    const { env = [] } = nodeOf(objects);
    const data = dataOf(objects);
    const secrets: Record<string, string> = {
      NODE_ID: 'parlance-5d4f8b7c9-x2x7q',
      JWT_SECRET: TEST_SECRET,
      REDIS_URL: 'redis://:secret@redis:6379',
    };
    const given = env.map((one) => [one.name, secrets[one.name] ?? 'a-secret'] as const);
    const config = loadConfig({ ...data, ...Object.fromEntries(given) });
    t.same(config.warnings, [], name);
    t.equal(config.host, '0.0.0.0');
    t.equal(config.roomsAuth, 'jwt', 'nobody is believed without a token');
    t.equal(
      String(config.port),
      String(podOf(find(objects, 'Deployment', 'parlance')).containers[0].ports[0].containerPort),
    );
  }
});

t.test('a rollout has time for everything, and nobody is left without a node', async (t) => {
  const marginMs = 1_000 + DRAIN_MARGIN_MS;
  for (const { name, objects } of rendered) {
    const deployment = find(objects, 'Deployment', 'parlance');
    const node = nodeOf(objects);
    const pre = Number(node.lifecycle?.preStop.exec.command[1]);
    const drainMs = Number(dataOf(objects).DRAIN_MS);
    const grace = podOf(deployment).terminationGracePeriodSeconds;
    t.ok(grace * 1_000 >= pre * 1_000 + drainMs + marginMs, `${name}: ${grace} s of grace`);
    t.ok(pre > 0, 'balancers hear of it while it serves');
    t.match(deployment.spec.strategy, { rollingUpdate: { maxUnavailable: 0 } });
    t.equal(deployment.spec.replicas, undefined, 'the autoscaler has the say');
    const { periodSeconds = 0, failureThreshold = 0 } = node.readinessProbe ?? {};
    t.ok(periodSeconds * failureThreshold <= 10, 'a deaf node is noticed in time');
    const { minReplicas, scaleTargetRef, behavior } = find(
      objects,
      'HorizontalPodAutoscaler',
      'parlance',
    ).spec;
    t.ok(minReplicas >= (name === 'production' ? 3 : 2));
    t.equal(scaleTargetRef.name, deployment.metadata.name);
    t.ok(behavior.scaleDown.stabilizationWindowSeconds >= 300, 'it shrinks slowly');
    t.ok(find(objects, 'PodDisruptionBudget', 'parlance').spec.maxUnavailable < minReplicas);
  }
});

t.test('no client is bound to a node', async (t) => {
  for (const { objects } of rendered) {
    t.equal(find(objects, 'Service', 'parlance').spec.sessionAffinity, 'None');
    t.notMatch(JSON.stringify(objects), /sessionPersistence|sticky|affinity: cookie|hash-by/i);
  }
});

t.test('what they name is there', async (t) => {
  const fits = (selector: Record<string, string>, labels: Record<string, string> = {}) =>
    Object.entries(selector).every(([label, value]) => labels[label] === value);
  for (const { name, objects } of rendered) {
    const pods = objects.filter(podOf).map((object) => object.spec.template);
    const selectors = objects.flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector];
      return [spec?.podSelector?.matchLabels, kind !== 'ServiceMonitor' && spec?.selector?.matchLabels];
    });
    for (const selector of selectors.filter(Boolean)) {
      t.ok(
        pods.some(({ metadata }) => fits(selector, metadata.labels)),
        `${name}: a pod with ${JSON.stringify(selector)}`,
      );
    }
    for (const service of objects.filter(({ kind }) => kind === 'Service')) {
      const [pod] = pods.filter(({ metadata }) => fits(service.spec.selector, metadata.labels));
      const ports = containersIn(pod?.spec).flatMap((one) => one.ports?.map(({ name }) => name) ?? []);
      for (const { targetPort } of service.spec.ports)
        t.ok(ports.includes(targetPort), `${name}: ${targetPort}`);
    }
    const accounts = objects.filter(({ kind }) => kind === 'ServiceAccount').map((one) => one.metadata.name);
    t.same(accounts, ['parlance']);
    for (const route of objects.filter(({ kind }) => ['HTTPRoute', 'Ingress'].includes(kind))) {
      t.notMatch(JSON.stringify(route.spec), /metrics|healthz|readyz/, 'what is for operators stays inside');
      const paths = pathsOf(route);
      for (const path of ['/', '/icon.svg', '/assets/index.js', '/docs/json', '/ws/chat/1/', '/api/v1/rooms'])
        t.ok(
          paths.some(({ value, prefix }) => value === path || (prefix && path.startsWith(`${value}/`))),
          `${name}: ${route.kind} has ${path}`,
        );
    }
  }
});

/** The paths that a route takes, and whether those below them too. */
function pathsOf({ kind, spec }: K8sObject): { value: string; prefix: boolean }[] {
  if (kind === 'HTTPRoute')
    return spec.rules.flatMap(({ matches }: Rule) =>
      matches.map(({ path }) => ({ value: path.value, prefix: path.type === 'PathPrefix' })),
    );
  return spec.rules.flatMap(({ http }: HostRule) =>
    http.paths.map(({ path, pathType }) => ({ value: path, prefix: pathType === 'Prefix' })),
  );
}

interface Rule {
  matches: { path: { type: string; value: string } }[];
}

interface HostRule {
  http: { paths: { path: string; pathType: string }[] };
}
