/** The rules between settings. A value that could not be read is absent here: it has its fault already. */

import type { Values } from './table.js';
import { isLoopback } from './values.js';

/** One line for each combination of settings that cannot work or is not safe. */
export function contradictions(values: Partial<Values>, env: NodeJS.ProcessEnv): string[] {
  const given = (name: string): boolean => (env[name]?.trim() ?? '') !== '';
  const rules: readonly [broken: boolean, fault: string][] = [
    [!given('JWT_SECRET') && !given('JWT_JWKS_URL'), 'JWT_SECRET or JWT_JWKS_URL is required'],
    [
      values.localAccounts === true && given('JWT_JWKS_URL'),
      'LOCAL_ACCOUNTS must not be true with JWT_JWKS_URL: a number made here could meet a subject made there',
    ],
    ...redisRules(values, given),
    ...outsideRules(values, given),
  ];
  return rules.filter(([broken]) => broken).map(([, fault]) => fault);
}

/** The part of {@link contradictions} that is about Redis alone. */
export function redisContradictions(values: Partial<Values>, env: NodeJS.ProcessEnv): string[] {
  const given = (name: string): boolean => (env[name]?.trim() ?? '') !== '';
  return redisRules(values, given)
    .filter(([broken]) => broken)
    .map(([, fault]) => fault);
}

type Rules = [broken: boolean, fault: string][];
type Given = (name: string) => boolean;

function redisRules(values: Partial<Values>, given: Given): Rules {
  const cluster = values.redisCluster === true;
  const urls = values.redisUrls ?? [];
  return [
    [
      given('REDIS_SENTINELS') !== given('REDIS_SENTINEL_NAME'),
      'REDIS_SENTINELS and REDIS_SENTINEL_NAME are needed together',
    ],
    [cluster && given('REDIS_SENTINELS'), 'REDIS_CLUSTER=true must not be combined with REDIS_SENTINELS'],
    [
      urls.length > 1 && values.redisCluster === false,
      'REDIS_URL with several URLs needs REDIS_CLUSTER=true',
    ],
    [
      cluster && urls.some((url) => /^\/0*[1-9]/.test(new URL(url).pathname)),
      'REDIS_URL must not choose a database with REDIS_CLUSTER=true: a cluster has only database 0',
    ],
  ];
}

function outsideRules(values: Partial<Values>, given: Given): Rules {
  const withS3 = (name: string): [boolean, string] => [
    given('S3_ENDPOINT') && !given(name),
    `${name} is required with S3_ENDPOINT`,
  ];
  return [
    withS3('S3_ACCESS_KEY'),
    withS3('S3_SECRET_KEY'),
    [given('S3_PUBLIC_ENDPOINT') && !given('S3_ENDPOINT'), 'S3_PUBLIC_ENDPOINT needs S3_ENDPOINT'],
    [given('AGENT_BASE_URL') && !given('AGENT_MODEL'), 'AGENT_MODEL is required with AGENT_BASE_URL'],
    [
      values.agent === 'echo' && given('AGENT_BASE_URL'),
      'AGENT=echo must not be combined with AGENT_BASE_URL: only one of them can answer',
    ],
  ];
}

/** One sentence for each combination of settings that works but is probably not meant. */
export function doubts(values: Values & { readonly waitReplicas: number }): string[] {
  const replicated = values.redisCluster || values.redisSentinels.length > 0;
  const doubtful: Rules = [
    [
      values.roomsAuth === 'trusted' && !isLoopback(values.host),
      'ROOMS_AUTH=trusted on a HOST that others can reach: anybody may speak for anybody in public rooms',
    ],
    [
      values.jwtJwksUrl !== undefined && values.jwtAudience === undefined,
      'JWT_JWKS_URL without JWT_AUDIENCE: tokens that the issuer made for other services are accepted',
    ],
    [
      values.jwtJwksUrl !== undefined && isPlainHttp(values.jwtJwksUrl),
      'JWT_JWKS_URL is not https: whoever is on the way can give out keys of their own',
    ],
    [
      values.durability === 'durable' && replicated && values.waitReplicas === 0,
      'DURABILITY=durable with WAIT_REPLICAS=0: a fail-over may still lose acknowledged messages',
    ],
  ];
  return doubtful.filter(([found]) => found).map(([, doubt]) => doubt);
}

function isPlainHttp(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname);
}
