/**
 * Renders what our overlays use of kustomize, so that they can be looked at where there is no kubectl: resources,
 * components, merge patches of maps, images, namespaces, ConfigMaps of files. Anything else is refused. Where kubectl is
 * there, a test compares the two.
 */

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

/** An object of Kubernetes. */
export interface K8sObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: a manifest is whatever stands in it; its schemas are checked by a test.
  [field: string]: any;
}

interface Patch {
  readonly path?: string;
  readonly patch?: string;
  readonly target?: { readonly kind: string; readonly name: string };
}

interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly files: readonly string[];
    readonly options: { readonly disableNameSuffixHash: true; readonly labels: Record<string, string> };
  }[];
  readonly patches?: readonly Patch[];
  readonly images?: readonly { readonly name: string; readonly newName?: string; readonly newTag?: string }[];
  readonly namespace?: string;
}

const KNOWN = [
  'apiVersion',
  'kind',
  'resources',
  'components',
  'configMapGenerator',
  'patches',
  'images',
  'namespace',
];
const CLUSTER_WIDE = ['Namespace'];

/** The objects that a folder with a `kustomization.yaml` stands for. Throws for what it does not know. */
export function render(folder: string): K8sObject[] {
  return build(folder, []);
}

function build(folder: string, before: K8sObject[]): K8sObject[] {
  const file = join(folder, 'kustomization.yaml');
  const kustomization = parse(readFileSync(file, 'utf8')) as Kustomization;
  const unknown = Object.keys(kustomization).filter((key) => !KNOWN.includes(key));
  if (unknown.length > 0) throw new Error(`${file}: this renderer does not know ${unknown.join(', ')}`);
  const { resources = [], components = [], configMapGenerator = [], patches = [] } = kustomization;
  let objects = [...before, ...resources.flatMap((path) => load(join(folder, path)))];
  objects.push(
    ...configMapGenerator.map(({ name, files, options }) => generated(folder, name, files, options)),
  );
  for (const path of components) objects = build(join(folder, path), objects);
  for (const patch of patches) apply(patch, folder, objects);
  for (const object of objects) {
    if (kustomization.namespace !== undefined && !CLUSTER_WIDE.includes(object.kind)) {
      object.metadata.namespace = kustomization.namespace;
    }
    for (const { name, newName = name, newTag } of kustomization.images ?? []) {
      for (const container of containersOf(object)) {
        const [image, tag] = container.image.split(':') as [string, string];
        if (image === name) container.image = `${newName}:${newTag ?? tag}`;
      }
    }
  }
  return objects;
}

function load(path: string): K8sObject[] {
  return path.endsWith('.yaml') ? documents(readFileSync(path, 'utf8'), path) : render(path);
}

function documents(text: string, where: string): K8sObject[] {
  return parseAllDocuments(text, { strict: true }).map((document) => {
    for (const error of document.errors) throw new Error(`${where}: ${error.message}`);
    // Anchors are shared objects: each place gets its own.
    return JSON.parse(JSON.stringify(document.toJS())) as K8sObject;
  });
}

function generated(
  folder: string,
  name: string,
  files: readonly string[],
  { labels }: { readonly labels: Record<string, string> },
): K8sObject {
  const data = files.map((file) => {
    const [key, path = key] = file.split('=') as [string, string?];
    return [basename(key), readFileSync(join(folder, path), 'utf8')];
  });
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data: Object.fromEntries(data) };
}

function apply(patch: Patch, folder: string, objects: K8sObject[]): void {
  const text = patch.patch ?? readFileSync(join(folder, patch.path as string), 'utf8');
  for (const change of documents(text, `${folder}: a patch`)) {
    const { kind, metadata } = change;
    const target = objects.find((one) => one.kind === kind && one.metadata.name === metadata.name);
    if (!target) throw new Error(`${folder}: a patch of ${kind} ${metadata.name}, which is not there`);
    merge(target, change);
  }
}

// Lists of objects are merged by keys that differ from list to list: those are not for this renderer.
function merge(target: Record<string, unknown>, change: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(change)) {
    const old = target[key];
    if (isMap(value) && isMap(old)) merge(old, value);
    else if (Array.isArray(value) && Array.isArray(old)) throw new Error(`a patch of the list ${key}`);
    else if (key.startsWith('$')) throw new Error(`a patch with the directive ${key}`);
    else target[key] = value;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A container as far as tests look at it. */
export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: Record<string, Record<string, unknown>> }[];
  envFrom?: { configMapRef: { name: string } }[];
  lifecycle?: { preStop: { exec: { command: string[] } } };
  readinessProbe?: { httpGet: { path: string }; periodSeconds: number; failureThreshold: number };
  ports?: { name: string; containerPort: number }[];
  resources: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: Record<string, unknown>;
}

/** The pod template of a workload; undefined for anything else. */
export function podOf(object: K8sObject): K8sObject['spec'] | undefined {
  return object.spec?.template?.spec;
}

/** The containers of a workload. */
export function containersOf(object: K8sObject): Container[] {
  return containersIn(podOf(object));
}

/** The containers of a pod template's `spec`. */
export function containersIn(pod: K8sObject['spec'] | undefined): Container[] {
  return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
}

/** The object of that kind and name. */
export function find(objects: readonly K8sObject[], kind: string, name: string): K8sObject {
  const found = objects.find((one) => one.kind === kind && one.metadata.name === name);
  if (!found) throw new Error(`no ${kind} ${name}`);
  return found;
}

export const K8S = join(dirname(new URL(import.meta.url).pathname), '../../k8s');
export const OVERLAYS = ['dev', 'production', 'external'] as const;
