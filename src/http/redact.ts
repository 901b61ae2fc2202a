/** Keeping secrets out of log lines. */

const REDACTED = '[redacted]';

/** Parts of a parameter's name that make its value a secret. */
const SECRET_NAME =
  /token|ticket|signature|secret|passw|credential|authorization|bearer|jwt|api[-_.]?key|^(sig|key|auth)$/i;
/** Such a name with its value, somewhere inside other text. */
const SECRET_INSIDE = /(token|ticket|signature|secret|passw|credential|jwt)[\w.-]{0,40}=./i;
/** Three base64url runs (RFC 7515, section 7.1), the last perhaps empty. The look-behind keeps it linear. */
const JWT = /(?<![\w-])[\w-]{10,}\.[\w-]{4,}\.[\w-]*/;

/**
 * `url` (absolute, or a request's path and query) with every secret replaced by `[redacted]`: the
 * values of parameters named like a token, a ticket, a signature or a password; the token in
 * `/ws/{token}`; whatever looks like a JWT; credentials before the host. Anything else stays byte
 * for byte. Never throws, whatever the input; its time is linear in the length.
 */
export function redactUrl(url: string): string {
  const end = url.search(/[?#]/);
  const path = end < 0 ? url : url.slice(0, end);
  return redactPath(path) + (end < 0 ? '' : redactQuery(url.slice(end)));
}

function redactPath(path: string): string {
  const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i.exec(path)?.[0] ?? '';
  const parts = path.slice(origin.length).split(/(\/|\\|%2f|%5c)/i);
  const names = parts.map((part, i) => (i % 2 === 0 ? decode(part) : ''));
  const filled = names.flatMap((name, i) => (name === '' ? [] : [i]));
  const [first = -1, second = -1, third] = filled;
  // `/ws/{token}` carries a token; of the other sockets only `/ws/chat/...` begins like it.
  const isSocket = names[first]?.toLowerCase() === 'ws' && !(names[second] === 'chat' && third !== undefined);
  const kept = isSocket && second >= 0 ? parts.slice(0, second) : parts;
  const safe = kept.map((part, i) => (isSecret(names[i] ?? '') ? REDACTED : part));
  return origin.replace(/\/\/.*@/, `//${REDACTED}@`) + safe.join('') + (kept === parts ? '' : REDACTED);
}

function redactQuery(query: string): string {
  const parts = query.split(/([?#&;])/);
  return parts.map((part, i) => (i % 2 === 0 ? redactParameter(part) : part)).join('');
}

function redactParameter(parameter: string): string {
  const at = parameter.indexOf('=');
  const name = decode(at < 0 ? '' : parameter.slice(0, at));
  const value = decode(parameter.slice(at + 1));
  if (at >= 0 && SECRET_NAME.test(name)) return `${parameter.slice(0, at)}=${REDACTED}`;
  if (!isSecret(value) && !isSecret(name)) return parameter;
  return at < 0 || isSecret(name) ? REDACTED : `${parameter.slice(0, at)}=${REDACTED}`;
}

function isSecret(text: string): boolean {
  return JWT.test(text) || SECRET_INSIDE.test(text);
}

/** Undoes percent-encoding, twice over, of ASCII alone: enough to compare, and malformed escapes stay. */
function decode(text: string): string {
  return text.includes('%') ? decodeOnce(decodeOnce(text)) : text;
}

function decodeOnce(text: string): string {
  return text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Request headers that hold secrets, or (`referer`) addresses that may. In lower case. */
export const SECRET_HEADERS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'sec-websocket-protocol',
  'referer',
] as const;

/** pino's `redact` option: those headers wherever a request or its headers are logged. */
export const LOG_REDACTION = {
  paths: [...SECRET_HEADERS, 'set-cookie'].flatMap((name) => [
    `headers["${name}"]`,
    `req.headers["${name}"]`,
    `res.headers["${name}"]`,
  ]),
  censor: REDACTED,
};
