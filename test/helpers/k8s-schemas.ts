/** Whether an object is what the schemas of Kubernetes, the Gateway API and the Prometheus operator say: strictly. */

import { createRequire } from 'node:module';
import type { K8sObject } from './kustomize.js';

interface Model {
  validate(): void;
}
type ModelClass = new (data: object) => Model;

const require = createRequire(import.meta.url);

const PACKAGES: Record<string, string> = {
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
};

async function modelOf({ apiVersion, kind }: K8sObject): Promise<ModelClass> {
  const group = apiVersion.split('/').length > 1 ? apiVersion.split('/')[0] : undefined;
  const path = `${PACKAGES[group ?? ''] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
  // Some of these packages are modules, some are not.
  const found = path.startsWith('@') ? await import(path) : require(path);
  const model = (found as Record<string, ModelClass>)[kind];
  if (!model) throw new Error(`no schema for ${apiVersion} ${kind}`);
  return model;
}

function isValid(Model: ModelClass, object: object): string | undefined {
  try {
    new Model(structuredClone(object)).validate();
    return undefined;
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
}

/**
 * What is wrong with it, in words. The schemas let keys pass that they do not know; those are found by putting nonsense in
 * the place of every value in turn: where nobody minds, nobody looks.
 */
export async function faultsOf(object: K8sObject): Promise<string[]> {
  const Model = await modelOf(object);
  const fault = isValid(Model, object);
  if (fault !== undefined) return [fault];
  const unknown: string[] = [];
  const probe = (part: unknown, path: string): void => {
    if (typeof part !== 'object' || part === null) return;
    for (const [key, value] of Object.entries(part)) {
      const at = `${path}.${key}`;
      if (at === '.apiVersion' || at === '.kind') continue;
      const holder = part as Record<string, unknown>;
      holder[key] = typeof value === 'object' ? 'nonsense' : { nonsense: true };
      if (isValid(Model, copy) === undefined) unknown.push(`${at} is in no schema`);
      holder[key] = value;
      probe(value, at);
    }
  };
  const copy = structuredClone(object);
  probe(copy, '');
  return unknown;
}
