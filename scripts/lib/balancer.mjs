/** A real load balancer before the nodes: haproxy, or nginx where only that one is there. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isReady } from './net.mjs';
import { DATA } from './paths.mjs';
import { startChild, untilReady } from './process.mjs';
import { ensureProgram, findProgram, HAPROXY } from './programs.mjs';

const READY_DEADLINE_MS = 10_000;

/**
 * Installs the balancer where there is none, and answers how to start it.
 * @returns {Balancer}
 */
export function ensureBalancer() {
  const nginx = findProgram(HAPROXY.binaries) ? undefined : findProgram(['nginx']);
  return nginx
    ? { kind: 'nginx', binary: nginx }
    : { kind: 'haproxy', binary: ensureProgram(HAPROXY, 'or start without --replicas') };
}

/** @typedef {{ kind: 'haproxy' | 'nginx', binary: string }} Balancer */

/**
 * Starts the balancer and waits until a node answers through it.
 * @param {Balancer} balancer
 * @param {{ host: string, port: number, url: string, nodePorts: number[] }} at
 * @param {(child: import('./process.mjs').Child) => void} started told at once, so that a failed start is ended too
 */
export async function startBalancer({ kind, binary }, { host, port, url, nodePorts }, started) {
  const file = join(DATA, `${kind}.cfg`);
  const bind = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  writeFileSync(file, kind === 'haproxy' ? haproxyConfig(bind, nodePorts) : nginxConfig(bind, nodePorts));
  const args = kind === 'haproxy' ? ['-db', '-f', file] : ['-p', DATA, '-c', file, '-e', 'stderr'];
  const child = startChild(kind, binary, args, { cwd: DATA, marker: file });
  started(child);
  await untilReady(child, () => isReady(url), READY_DEADLINE_MS);
}

/**
 * Round robin without stickiness: a node is stateless, and the local run is where that shows. A node
 * that drains answers 503 on /readyz and gets nothing new.
 * @param {string} bind
 * @param {number[]} nodePorts
 */
export function haproxyConfig(bind, nodePorts) {
  const servers = nodePorts.map((port, i) => `  server node-${i + 1} 127.0.0.1:${port} check`);
  return `defaults
  mode http
  option httpchk GET /readyz
  http-check expect status 200
  option forwardfor
  option redispatch
  retries 3
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout http-request 30s
  timeout check 2s
  default-server inter 1s fall 2 rise 1

frontend clients
  bind ${bind}
  default_backend nodes

backend nodes
  balance roundrobin
${servers.join('\n')}
`;
}

/**
 * nginx has no active check: a draining node's 503 moves a request on to the next.
 * @param {string} bind
 * @param {number[]} nodePorts
 */
function nginxConfig(bind, nodePorts) {
  const temp = join(DATA, 'nginx');
  mkdirSync(temp, { recursive: true });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${temp}/${name};`,
  );
  return `daemon off;
pid ${temp}/pid;
events { worker_connections 4096; }
http {
  access_log off;
${paths.join('\n')}
  client_max_body_size 0;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream nodes {
${nodePorts.map((port) => `    server 127.0.0.1:${port} max_fails=0;`).join('\n')}
    keepalive 32;
  }
  server {
    listen ${bind};
    location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_next_upstream error timeout http_503;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`;
}
