/** A real load balancer (haproxy) before nodes, which does what a Service and its endpoints do in a cluster. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from './process.js';
import { freePort, type Owner, until } from './wait.js';

/** How often and how strictly nodes are asked whether they are ready. */
export interface Probe {
  readonly httpGet: { readonly path: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

export interface Balancer {
  readonly url: string;
  readonly wsUrl: string;
  /** Whether new connections go to the node on this port. */
  serves(port: number): Promise<boolean>;
  /** Takes the node on this port out: nothing new goes there, and what there is stays. */
  remove(port: number): Promise<void>;
}

/** Starts haproxy before the ports given; a node behind one of them may come later. Round robin, no stickiness. */
export async function startBalancer(t: Owner, ports: readonly number[], probe: Probe): Promise<Balancer> {
  const dir = mkdtempSync(join(tmpdir(), 'parlance-balancer-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const admin = join(dir, 'admin');
  const servers = ports.map((each) => `  server node-${each} 127.0.0.1:${each} check`);
  const config = `global
  stats socket ${admin} mode 600 level admin
defaults
  mode http
  option httpchk GET ${probe.httpGet.path}
  http-check expect status 200
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout check 2s
  default-server inter ${probe.periodSeconds}s fall ${probe.failureThreshold} rise 1
frontend clients
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance roundrobin
${servers.join('\n')}
`;
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, config);
  // An ordinary user's PATH often lacks administrators' directories.
  const env = { PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
  startProgram(t, 'haproxy', 'haproxy', ['-db', '-f', file], { cwd: dir, env });
  await until('haproxy is there', async () => (await ask(admin, 'show info')).includes('Uptime'), 10_000);
  return {
    url: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}`,
    serves: async (each) => {
      const line = (await ask(admin, 'show stat'))
        .split('\n')
        .find((row) => row.startsWith(`nodes,node-${each},`));
      return line?.includes(',UP,') ?? false;
    },
    remove: async (each) => void (await ask(admin, `set server nodes/node-${each} state drain`)),
  };
}

/** One command on haproxy's administrative socket. */
function ask(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(path, () => socket.write(`${command}\n`));
    socket.setTimeout(2_000, () => socket.destroy(new Error('haproxy does not answer')));
    socket.on('data', (bytes) => (answer += bytes));
    socket.once('error', reject);
    socket.once('end', () => resolve(answer));
  });
}
