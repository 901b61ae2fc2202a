/** What scripts/up says once everything runs. */

import { relative } from 'node:path';
import { LOGS } from './paths.mjs';

/**
 * @param {{ url: string, nodes: string[], redis: string, files: string, token: string | undefined, env: NodeJS.ProcessEnv }} stack
 * @returns {string}
 */
export function welcome({ url, nodes, redis, files, token, env }) {
  const trusted = env.ROOMS_AUTH === 'trusted';
  const lines = [
    '',
    `Parlance runs at ${url}`,
    ...(env.CONSOLE === 'false'
      ? []
      : ['', `Open ${url} in two windows, register somebody in each, and talk.`, '']),
    ...(nodes.length > 1 ? nodes.map((node, i) => `  node ${i + 1}   ${node}`) : []),
    `  Redis    ${redis}`,
    `  files    ${files}`,
    `  agent    ${agentOf(env)}`,
    `  logs     ${relative(process.cwd(), LOGS) || '.'}/*.log`,
  ];
  if (!token)
    return [...lines, '', 'Tokens come from your own issuer (JWT_JWKS_URL). Ctrl-C stops all of it.'].join(
      '\n',
    );
  return [
    ...lines,
    '',
    'A token for the user "ada" (more: scripts/token <user>):',
    `  ${token}`,
    '',
    'Make a room and send its first message:',
    `  ${firstMessage(url, trusted)}`,
    '',
    'Then listen to it (the newest messages come first):',
    `  ${listen(url, trusted)}`,
    '',
    'Ctrl-C stops all of it; the data is there the next time.',
  ].join('\n');
}

/** @param {NodeJS.ProcessEnv} env */
function agentOf(env) {
  return env.AGENT_BASE_URL
    ? `${env.AGENT_MODEL} at ${env.AGENT_BASE_URL}`
    : 'a stand-in that says what you say (AGENT_BASE_URL and AGENT_MODEL name a real one)';
}

/** @param {string} url @param {boolean} trusted */
function firstMessage(url, trusted) {
  const auth = trusted ? '' : ' -H "authorization: Bearer $(scripts/token ada)"';
  const post = `curl -sS${auth} -H 'content-type: application/json'`;
  const id = `node -p 'JSON.parse(require("fs").readFileSync(0)).id'`;
  return [
    `ROOM=$(${post} ${url}/api/v1/rooms -d '{"name":"General"}' | ${id})`,
    `${post} -w '\\n' ${url}/api/v1/rooms/$ROOM/messages -d '{"content":"Hello, World!","user_id":"ada","type":"text"}'`,
  ].join(' && ');
}

/** @param {string} url @param {boolean} trusted */
function listen(url, trusted) {
  const socket = `${url.replace('http', 'ws')}/api/v1/ws/'+process.argv[1]+'/ada`;
  const query = trusted ? '' : `?token='+process.argv[2]+'`;
  const argument = trusted ? '' : ' "$(scripts/token ada)"';
  return `node -e "new (require('ws'))('${socket}${query}').on('message', (m) => console.log(String(m)))" "$ROOM"${argument}`;
}
