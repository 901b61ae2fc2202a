import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CONFIG, ConfigError, configWarnings, loadConfig, loadEnvFile } from '../../src/config.js';

const SECRET = 'R8vQmZ2xW5tK9pLcN3yFbH7dJ4sGaU6e';
const base = { JWT_SECRET: SECRET };

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

t.test('a secret alone is enough, and the documented defaults stand', async (t) => {
  const config = loadConfig(base);
  t.match(config, {
    host: '0.0.0.0',
    port: 8000,
    redisUrls: ['redis://127.0.0.1:6379'],
    redisCluster: false,
    redisSentinels: [],
    durability: 'fast',
    waitReplicas: 0,
    jwtSecrets: [SECRET],
    jwtTtl: 86_400,
    localAccounts: true,
    roomsAuth: 'jwt',
    userDirectory: 'all',
    trustProxy: false,
    allowedOrigins: ['*'],
    maxMessageBytes: 16_384,
    historyOnConnect: 50,
    historyMaxMessages: 0,
    rateLimitMax: 300,
    rateLimitWindow: 60_000,
    maxUploadBytes: 25 * 1024 * 1024,
    maxUploadFiles: 10,
    s3Endpoint: undefined,
    s3PublicEndpoint: undefined,
    agent: undefined,
    warnings: [],
  });
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.jwtSecrets) && Object.isFrozen(config.warnings));
});

t.test(
  'every setting is documented: unique name, type, one sentence, a default that it accepts',
  async (t) => {
    const settings = Object.values(CONFIG);
    t.equal(new Set(settings.map((each) => each.name)).size, settings.length);
    for (const { name, type, default: fallback, doc, parse } of settings) {
      t.match(name, /^[A-Z][A-Z0-9_]*$/);
      t.not(type, '', name);
      t.match(doc, /^\S.*\.$/, name);
      if (fallback !== '') t.doesNotThrow(() => parse(fallback), name);
    }
  },
);

t.test('every fault is named at once, one line each, and no value is repeated', async (t) => {
  const env = {
    PORT: 'sesame-1',
    JWT_SECRET: 'sesame-2',
    REDIS_URL: 'http://:sesame-3@host',
    S3_ENDPOINT: 'https://user:sesame-4@s3.example',
    S3_SECRET_KEY: 'sesame-5',
    RATE_LIMIT_MAX: '-1',
    LOCAL_ACCOUNTS: 'sesame-6',
    DURABILITY: 'sesame-7',
    TRUST_PROXY: 'sesame-8',
  };
  const faults = faultsOf(env);
  const names = faults.map((fault) => fault.split(' ')[0]).sort();
  t.same(names, [
    'DURABILITY',
    'JWT_SECRET',
    'LOCAL_ACCOUNTS',
    'PORT',
    'RATE_LIMIT_MAX',
    'REDIS_URL',
    'S3_ACCESS_KEY',
    'S3_ENDPOINT',
    'TRUST_PROXY',
  ]);
  t.notMatch(faults.join(), /sesame/);
  t.throws(() => loadConfig(env), { name: 'ConfigError', message: /PORT must be.*\n.*JWT_SECRET has/s });
  t.same(faultsOf({}), ['JWT_SECRET or JWT_JWKS_URL is required']);
});

t.test('a weak JWT_SECRET is refused, wherever in the list it stands', async (t) => {
  const weak = [
    'R8vQmZ2xW5tK9pLcN3yFbH7dJ4sGaU6', // 31 bytes
    'x'.repeat(64),
    'abcdefghijklmnopqrstuvwxyz012345',
    'QuickBrownFoxQuickBrownFoxQuickBrown',
    'changeme-changeme-please-R8vQmZ2xW5',
    'your-256-bit-secret-your-256-bit-se',
    'please-replace_this-R8vQmZ2xW5tK9pLc',
    'ahzqahqzhaqzqhazhqazqahzaqhzhqzaqhza',
    'MyJwtSecret-R8vQmZ2xW5tK9pLcN3yFbH7d',
  ];
  for (const secret of weak) {
    for (const JWT_SECRET of [secret, `${SECRET},${secret}`, `${secret}, ${SECRET}`]) {
      const faults = faultsOf({ JWT_SECRET });
      t.equal(faults.length, 1, secret);
      t.match(faults[0], /^JWT_SECRET has a secret/);
      t.notMatch(faults[0], secret);
    }
  }
  t.match(faultsOf({ JWT_SECRET: `${SECRET},,${SECRET}` }), [/^JWT_SECRET has an empty entry/]);
  t.same(loadConfig({ JWT_SECRET: `${SECRET} , ${SECRET}2` }).jwtSecrets, [SECRET, `${SECRET}2`]);
  t.same(faultsOf({ JWT_SECRET: '0f3a9c5e7b1d8264f0a9c3e57b1d2846' }), [], 'random hex will do');
});

t.test('local accounts and a key set exclude each other', async (t) => {
  const jwks = { JWT_JWKS_URL: 'https://issuer.example/jwks.json', JWT_AUDIENCE: 'chat' };
  t.equal(loadConfig(jwks).localAccounts, false);
  t.equal(loadConfig({ ...jwks, ...base }).localAccounts, false);
  t.equal(loadConfig({ ...base, LOCAL_ACCOUNTS: 'false' }).localAccounts, false);
  t.match(faultsOf({ ...jwks, ...base, LOCAL_ACCOUNTS: 'true' }), [/^LOCAL_ACCOUNTS must not be true/]);
  t.match(faultsOf({ ...base, JWT_JWKS_URL: 'ftp://x' }), [/^JWT_JWKS_URL must be/]);
});

t.test('Redis: one URL, a cluster, or Sentinels', async (t) => {
  const cluster = loadConfig({
    ...base,
    REDIS_URL: 'rediss://a:1, rediss://u:p,w@b:2',
    REDIS_CLUSTER: 'true',
  });
  t.same(cluster.redisUrls, ['rediss://a:1', 'rediss://u:p,w@b:2'], 'a password may hold a comma');
  t.equal(cluster.waitReplicas, 1);
  const sentinels = loadConfig({
    ...base,
    REDIS_SENTINELS: 'a:26379, [::1]:26380',
    REDIS_SENTINEL_NAME: 'main',
    WAIT_REPLICAS: '2',
  });
  t.same(sentinels.redisSentinels, [
    { host: 'a', port: 26_379 },
    { host: '::1', port: 26_380 },
  ]);
  t.equal(sentinels.waitReplicas, 2);
  const one = { REDIS_SENTINELS: 'a:1', REDIS_SENTINEL_NAME: 'main' };
  const wrong: [NodeJS.ProcessEnv, RegExp][] = [
    [{ REDIS_URL: 'redis://a,redis://b' }, /^REDIS_URL with several URLs needs REDIS_CLUSTER/],
    [{ REDIS_URL: 'redis://a,b', REDIS_CLUSTER: 'true' }, /^REDIS_URL must be/],
    [{ REDIS_URL: 'redis://a,rediss://b', REDIS_CLUSTER: 'true' }, /^REDIS_URL must not mix/],
    [{ REDIS_URL: 'redis://a/3', REDIS_CLUSTER: 'true' }, /^REDIS_URL must not choose a database/],
    [{ REDIS_URL: 'redis://' }, /^REDIS_URL must be/],
    [{ REDIS_URL: 'redis://a:99999' }, /^REDIS_URL must be/],
    [{ REDIS_SENTINELS: 'a:1' }, /^REDIS_SENTINELS and REDIS_SENTINEL_NAME/],
    [{ REDIS_SENTINEL_NAME: 'main' }, /^REDIS_SENTINELS and REDIS_SENTINEL_NAME/],
    [{ ...one, REDIS_SENTINELS: 'a' }, /^REDIS_SENTINELS must be/],
    [{ ...one, REDIS_SENTINELS: 'a:0' }, /^REDIS_SENTINELS must be/],
    [{ ...one, REDIS_CLUSTER: 'true' }, /^REDIS_CLUSTER=true must not be combined/],
  ];
  for (const [env, fault] of wrong) t.match(faultsOf({ ...base, ...env }), [fault], JSON.stringify(env));
});

t.test('numbers have a range, and 0 switches a limit off where it may', async (t) => {
  for (const name of [
    'RATE_LIMIT_MAX',
    'SOCKET_RATE',
    'UPGRADE_RATE',
    'HISTORY_MAX_MESSAGES',
    'MAX_UPLOAD_BYTES',
    'RECEIPT_RESEND_MS',
  ]) {
    t.same(faultsOf({ ...base, [name]: '0' }), [], name);
  }
  for (const name of ['RATE_LIMIT_WINDOW', 'MAX_MESSAGE_BYTES', 'JWT_TTL', 'WAIT_TIMEOUT']) {
    t.match(faultsOf({ ...base, [name]: '0' }), [new RegExp(`^${name} must be an integer`)]);
  }
  for (const bad of ['-1', '1.5', '1e3', '0x10', '65536', 'NaN', '8 000', '9'.repeat(30)]) {
    t.match(faultsOf({ ...base, PORT: bad }), [/^PORT must be an integer, 0 to 65535/], bad);
  }
  t.equal(loadConfig({ ...base, PORT: ' 9000 ' }).port, 9000);
  t.equal(loadConfig({ ...base, PORT: '' }).port, 8000, 'empty is unset');
});

t.test('proxies, origins, addresses and names are checked', async (t) => {
  const proxies: [string, unknown][] = [
    ['true', true],
    ['false', false],
    ['0', false],
    ['1', 1],
    ['10.0.0.0/8, ::1', ['10.0.0.0/8', '::1']],
    ['loopback', ['loopback']],
  ];
  for (const [TRUST_PROXY, want] of proxies) t.same(loadConfig({ ...base, TRUST_PROXY }).trustProxy, want);
  for (const bad of ['yes', '10.0.0.0/33', '10.0.0.0/8/9', '::1/129', '300', '1,']) {
    t.match(faultsOf({ ...base, TRUST_PROXY: bad }), [/^TRUST_PROXY must be/], bad);
  }
  const ALLOWED_ORIGINS = 'https://a.example,http://localhost:3000/';
  t.same(loadConfig({ ...base, ALLOWED_ORIGINS }).allowedOrigins, [
    'https://a.example',
    'http://localhost:3000',
  ]);
  t.match(faultsOf({ ...base, ALLOWED_ORIGINS: 'https://a.example/app' }), [
    /^ALLOWED_ORIGINS must have no path/,
  ]);
  t.match(faultsOf({ ...base, ALLOWED_ORIGINS: 'a.example' }), [/^ALLOWED_ORIGINS must be an http/]);
  t.equal(loadConfig({ ...base, PUBLIC_URL: 'https://a.example/chat/' }).publicUrl, 'https://a.example/chat');
  t.match(faultsOf({ ...base, PUBLIC_URL: 'https://a.example/?x' }), [/^PUBLIC_URL must have no query/]);
  t.match(faultsOf({ ...base, NODE_ID: 'a b' }), [/^NODE_ID must be/]);
  t.equal(loadConfig({ ...base, NODE_ID: 'node-1' }).nodeId, 'node-1');
  t.match(loadConfig(base).nodeId, /^[\w.-]{1,64}$/);
  t.not(loadConfig(base).nodeId, loadConfig(base).nodeId, 'two nodes on one host differ');
});

t.test('files and the agent need all of their settings', async (t) => {
  const s3 = { S3_ENDPOINT: 'http://s3:9000', S3_ACCESS_KEY: 'a', S3_SECRET_KEY: 'b' };
  t.equal(loadConfig({ ...base, ...s3 }).s3PublicEndpoint, 'http://s3:9000');
  t.equal(
    loadConfig({ ...base, ...s3, S3_PUBLIC_ENDPOINT: 'https://f.example' }).s3PublicEndpoint,
    'https://f.example',
  );
  t.match(faultsOf({ ...base, S3_ENDPOINT: 'http://s3:9000' }), [/^S3_ACCESS_KEY is/, /^S3_SECRET_KEY is/]);
  t.match(faultsOf({ ...base, ...s3, S3_ENDPOINT: 'http://s3/x' }), [/^S3_ENDPOINT must have no path/]);
  t.match(faultsOf({ ...base, S3_PUBLIC_ENDPOINT: 'http://s3' }), [/^S3_PUBLIC_ENDPOINT needs/]);
  t.match(faultsOf({ ...base, AGENT_BASE_URL: 'http://llm/v1' }), [/^AGENT_MODEL is/]);
  t.match(faultsOf({ ...base, AGENT: 'echo', AGENT_BASE_URL: 'http://llm/v1', AGENT_MODEL: 'm' }), [
    /^AGENT=echo/,
  ]);
});

t.test('unknown variables that look like ours are reported, others are not', async (t) => {
  const typos = {
    JWT_SECERT: 'JWT_SECRET',
    REDIS_URI: 'REDIS_URL',
    PROT: 'PORT',
    RATELIMIT_MAX: 'RATE_LIMIT_MAX',
  };
  for (const [typo, meant] of Object.entries(typos)) {
    t.same(configWarnings({ [typo]: 'x' }), [`${typo} is not a setting: did you mean ${meant}?`]);
  }
  t.match(configWarnings({ PARLANCE_PORT: '1', parlance_x: '1', jwt_secret: '1' }), [
    /^PARLANCE_PORT .* PORT\?$/,
    /^parlance_x is not a setting$/,
    /^jwt_secret .* JWT_SECRET\?$/,
  ]);
  const { warnings } = loadConfig({ ...base, JWT_SECERT: 'sesame' });
  t.equal(warnings.length, 1);
  t.notMatch(warnings[0], /sesame/);
  const usual = [
    'HOME',
    'HOSTNAME',
    'PATH',
    'PWD',
    'LANG',
    'USER',
    'SHELL',
    'TERM',
    'NODE_ENV',
    'TZ',
    'CI',
    'LOGNAME',
  ];
  t.same(configWarnings(Object.fromEntries(usual.map((name) => [name, 'x']))), []);
  const links = {
    PARLANCE_SERVICE_HOST: '10.0.0.1',
    PARLANCE_PORT: 'tcp://10.0.0.1:80',
    PARLANCE_PORT_80_TCP_ADDR: 'x',
  };
  t.same(configWarnings(links), [], 'Kubernetes sets these by itself');
});

t.test('what works but is hardly meant is warned of', async (t) => {
  const jwks = { JWT_JWKS_URL: 'https://issuer.example/jwks', JWT_AUDIENCE: 'chat' };
  const cases: [NodeJS.ProcessEnv, RegExp[]][] = [
    [{ ...base, ROOMS_AUTH: 'trusted' }, [/^ROOMS_AUTH=trusted/]],
    [{ ...base, ROOMS_AUTH: 'trusted', HOST: '127.0.0.1' }, []],
    [{ JWT_JWKS_URL: 'https://issuer.example/jwks' }, [/without JWT_AUDIENCE/]],
    [{ ...jwks, JWT_JWKS_URL: 'http://issuer.example/jwks' }, [/not https/]],
    [{ ...jwks, JWT_JWKS_URL: 'http://127.0.0.1:1/jwks' }, []],
    [{ ...base, REDIS_CLUSTER: 'true', DURABILITY: 'durable', WAIT_REPLICAS: '0' }, [/WAIT_REPLICAS=0/]],
    [{ ...base, REDIS_CLUSTER: 'true', DURABILITY: 'durable' }, []],
  ];
  for (const [env, want] of cases) {
    const { warnings } = loadConfig(env);
    t.equal(warnings.length, want.length, JSON.stringify(env));
    t.match(warnings, want);
  }
});

t.test('a .env file fills in what the environment leaves open, and may be missing', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'parlance-')), '.env');
  t.doesNotThrow(() => loadEnvFile(file));
  writeFileSync(file, 'PARLANCE_TEST_A=file\nPARLANCE_TEST_B="file"\n');
  process.env.PARLANCE_TEST_A = 'environment';
  loadEnvFile(file);
  t.equal(process.env.PARLANCE_TEST_A, 'environment');
  t.equal(process.env.PARLANCE_TEST_B, 'file');
  t.throws(() => loadEnvFile(tmpdir()), 'a folder is an error');
});
