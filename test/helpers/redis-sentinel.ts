/** A real Sentinel group on loopback: a primary, replicas, and the sentinels that watch them. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startProgram } from './process.js';
import {
  askRedis,
  type RedisOptions,
  type RedisPlace,
  type RedisServer,
  startRedis,
  TESTED,
} from './redis.js';
import { freePort, type Owner, until } from './wait.js';

const READY_MS = 30_000;
const NAME = 'chat';

/** How many replicas, how each server is set up, and after how long a silent primary counts as dead. */
export interface SentinelOptions extends RedisOptions {
  replicas?: number;
  downMs?: number;
}

/** A running group. */
export interface SentinelGroup extends RedisPlace {
  readonly servers: RedisServer[];
  /** Who the sentinels say is primary. */
  primary(): Promise<RedisServer>;
}

/** Starts one primary with `replicas`, and three sentinels; waits until all know of each other and are in step. */
export async function startSentinels(t: Owner, options: SentinelOptions = {}): Promise<SentinelGroup> {
  const { replicas = 2, downMs = 1_500, ...redis } = options;
  const settings = { 'repl-diskless-sync-delay': '0', ...redis.settings };
  const first = await startRedis(t, { ...redis, settings });
  const servers = [first];
  for (let i = 0; i < replicas; i += 1) {
    const replicaof = `127.0.0.1 ${first.port}`;
    servers.push(await startRedis(t, { ...redis, settings: { ...settings, replicaof } }));
  }
  // First: a sentinel asks a primary for its replicas when it starts, and then not for ten seconds.
  await until(
    'the replicas are in step',
    async () => ((await first.ask('INFO replication')).match(/state=online/g) ?? []).length === replicas,
    READY_MS,
  );
  const ports: number[] = [];
  for (let i = 0; i < 3; i += 1) ports.push(await startSentinel(t, first, downMs));
  const ready = async () => {
    const answers = await Promise.all(ports.map((port) => askRedis(port, `SENTINEL MASTER ${NAME}`)));
    return (
      answers.every((text) => fieldOf(text, 'num-slaves') === String(replicas)) &&
      answers.every((text) => fieldOf(text, 'num-other-sentinels') === '2')
    );
  };
  await until('the sentinels know everybody', ready, READY_MS, 50);
  const sentinels = ports.map((port) => ({ host: '127.0.0.1', port }));
  return {
    env: {
      REDIS_SENTINELS: sentinels.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_SENTINEL_NAME: NAME,
    },
    target: { urls: [], cluster: false, sentinels, sentinelName: NAME },
    servers,
    primary: () =>
      until('the sentinels agree on a primary', async () => {
        const answers = await Promise.all(
          ports.map((port) => askRedis(port, `SENTINEL GET-MASTER-ADDR-BY-NAME ${NAME}`)),
        );
        const found = new Set(answers.map((text) => Number(/\r\n(\d+)\r\n$/.exec(text)?.[1])));
        const [port] = found;
        return found.size === 1 ? servers.find((server) => server.port === port) : undefined;
      }),
  };
}

async function startSentinel(t: Owner, primary: RedisServer, downMs: number): Promise<number> {
  const port = await freePort();
  const file = join(primary.dir, `sentinel-${port}.conf`);
  writeFileSync(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor ${NAME} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${downMs}`,
      `sentinel failover-timeout ${NAME} 10000`,
      `sentinel parallel-syncs ${NAME} 1`,
    ].join('\n'),
  );
  startProgram(t, `sentinel on ${port}`, TESTED, [file, '--sentinel'], {
    cwd: primary.dir,
    env: { PATH: process.env.PATH },
  });
  const answers = () => askRedis(port, 'PING').then((text) => text.startsWith('+PONG'));
  await until(`the sentinel on ${port} answers`, () => answers().catch(() => false), READY_MS, 50);
  return port;
}

/** A field of a flat list in the wire format: the line two after its name. */
function fieldOf(text: string, name: string): string | undefined {
  const lines = text.split('\r\n');
  return lines[lines.indexOf(name) + 2];
}
