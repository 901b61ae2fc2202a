/**
 * The configuration: environment in, one frozen and checked object out. The settings are in
 * config/table.ts, the rules between them in config/rules.ts.
 */

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { contradictions, doubts, redisContradictions } from './config/rules.js';
import { readSettings, type SettingValues, unknownSettings } from './config/settings.js';
import { CONFIG, type Values } from './config/table.js';

export { CONFIG } from './config/table.js';

/** Every setting, read and checked. Limits that are switched off are 0. */
export interface Config
  extends Omit<Values, 'nodeId' | 'localAccounts' | 'waitReplicas' | 's3PublicEndpoint'> {
  readonly nodeId: string;
  readonly localAccounts: boolean;
  readonly waitReplicas: number;
  /** Undefined exactly when `s3Endpoint` is. */
  readonly s3PublicEndpoint: string | undefined;
  /** What is allowed but probably not meant, one sentence each; for the log. */
  readonly warnings: readonly string[];
}

/** Every fault of a configuration at once, one line each. No value is repeated: it may be a secret. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(readonly faults: readonly string[]) {
    super(['The configuration has faults:', ...faults].join('\n  '));
  }
}

/**
 * The configuration that `env` holds, frozen.
 * @throws ConfigError naming every fault
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const faults: string[] = [];
  const read = readSettings(CONFIG, env, faults);
  faults.push(...contradictions(read, env));
  if (faults.length > 0) throw new ConfigError(faults);
  const values = read as Values; // only a fault leaves one out
  const replicated = values.redisCluster || values.redisSentinels.length > 0;
  const config = {
    ...values,
    nodeId: values.nodeId ?? defaultNodeId(),
    localAccounts: values.localAccounts ?? values.jwtJwksUrl === undefined,
    waitReplicas: values.waitReplicas ?? (replicated ? 1 : 0),
    s3PublicEndpoint: values.s3PublicEndpoint ?? values.s3Endpoint,
  };
  return Object.freeze({ ...config, warnings: Object.freeze([...doubts(config), ...configWarnings(env)]) });
}

/**
 * Where Redis is, for a tool that needs nothing else.
 * @throws ConfigError naming every fault
 */
export function loadRedisSettings(env: NodeJS.ProcessEnv) {
  const { redisUrls, redisCluster, redisSentinels, redisSentinelName } = CONFIG;
  const table = { redisUrls, redisCluster, redisSentinels, redisSentinelName };
  const faults: string[] = [];
  const read = readSettings(table, env, faults);
  faults.push(...redisContradictions(read, env));
  if (faults.length > 0) throw new ConfigError(faults);
  return read as SettingValues<typeof table>;
}

/** A warning for each variable that looks like one of ours, misspelt or with a `PARLANCE_` before it. */
export function configWarnings(env: NodeJS.ProcessEnv): string[] {
  const known = Object.values(CONFIG).map((setting) => setting.name);
  return unknownSettings(env, known, 'PARLANCE_');
}

/**
 * Reads variables from the file at `path` into this process's environment; what is set there
 * already stands. A file that is not there is fine.
 * @throws the file system's error when the file is there but cannot be read
 */
export function loadEnvFile(path: string): void {
  try {
    process.loadEnvFile(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

function defaultNodeId(): string {
  // Several nodes may run on one host, so the host's name alone would not do.
  const host = hostname()
    .replace(/[^\w.-]/g, '')
    .slice(0, 48);
  return `${host || 'node'}-${randomBytes(4).toString('hex')}`;
}
