/** scripts/users: loads people into the service's Redis, so that they can be addressed before they first connect. */

import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { userEnvironment } from './lib/environment.mjs';
import { Fault, runScript } from './lib/fail.mjs';
import { linesOf } from './lib/lines.mjs';
import { ROOT } from './lib/paths.mjs';
import { LineFault, readPerson } from './lib/people.mjs';

/** @typedef {import('./lib/people.mjs').Person} Person */
/** @typedef {Person & { number: number }} Entry */
/** @typedef {import('../src/redis/users.js').RedisUsers} Users */

const USAGE = `Usage: scripts/users import <file.ndjson>      ("-" reads standard input)

One JSON object per line: {"id", "email", "name", "given_name", "family_name", "picture", "role", "preferred_username"}.
"id" is what the person's token will have as its subject. Without one, "email" is required, and the person gets a number,
the same each time. What a line does not say stays as it is. Nobody gets a password. Lines with faults are named and left out;
the same file may be imported again. Redis is where REDIS_URL or REDIS_SENTINELS say.`;

const MAX_LINE_BYTES = 64 * 1024;
/** People written at once. */
const BATCH = 200;

await runScript(async () => {
  const [command, file, ...rest] = process.argv.slice(2);
  if (command !== 'import' || !file || rest.length > 0) throw new Fault(USAGE);
  if (file !== '-' && !(existsSync(file) && statSync(file).isFile()))
    throw new Fault(`There is no file ${file}.`);
  const input = file === '-' ? process.stdin : createReadStream(file);
  const { users, close } = await openUsers();
  try {
    const { imported, faulty } = await importAll(input, users);
    console.log(`${imported} lines imported, ${faulty} faulty`);
    if (faulty > 0) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'unavailable')) throw error;
    throw new Fault(
      `Redis does not do what it is asked (${error.cause}). Import the file again when it does.`,
    );
  } finally {
    await close();
  }
});

/**
 * A module of the built program.
 * @param {string} path below dist/
 */
function built(path) {
  const file = join(ROOT, 'dist', path);
  if (!existsSync(file)) throw new Fault('The program is not built: npm run build');
  return import(pathToFileURL(file).href);
}

/** @returns {Promise<{ users: Users, close: () => Promise<void> }>} */
async function openUsers() {
  const env = userEnvironment();
  if (!env.REDIS_URL && !env.REDIS_SENTINELS) {
    throw new Fault(
      'Set REDIS_URL or REDIS_SENTINELS as for the service (scripts/up prints where its Redis is).',
    );
  }
  /** @type {typeof import('../src/config.js')} */
  const { ConfigError, loadRedisSettings } = await built('config.js');
  /** @type {typeof import('../src/redis/connection.js')} */
  const { connect, disconnect } = await built('redis/connection.js');
  /** @type {typeof import('../src/redis/users.js')} */
  const { RedisUsers } = await built('redis/users.js');
  try {
    const { redisUrls, redisCluster, redisSentinels, redisSentinelName } = loadRedisSettings(env);
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const client = connect(
      { urls: redisUrls, cluster: redisCluster, sentinels: redisSentinels, sentinelName: redisSentinelName },
      'commands',
      'parlance-users',
      quiet,
    );
    return { users: new RedisUsers(client), close: () => disconnect(client) };
  } catch (error) {
    throw error instanceof ConfigError ? new Fault(error.message) : error;
  }
}

/** @param {AsyncIterable<Buffer>} input @param {Users} users */
async function importAll(input, users) {
  const checks = { ...(await built('core/ids.js')), ...(await built('core/email.js')) };
  const { emailKey } = checks;
  const issuedAtS = Math.floor(Date.now() / 1000);
  let imported = 0;
  let faulty = 0;
  /** @type {Map<string, Entry>} */
  let batch = new Map();
  const flush = async () => {
    const entries = [...batch.values()];
    batch = new Map();
    await Promise.all(entries.map((entry) => importOne(entry, users, emailKey, issuedAtS)));
    imported += entries.length;
  };

  for await (const { number, bytes } of linesOf(input, MAX_LINE_BYTES)) {
    try {
      if (!bytes) throw new LineFault(`longer than ${MAX_LINE_BYTES} bytes`);
      const person = readPerson(bytes, checks);
      if (!person) continue;
      const key = person.id === undefined ? `e${emailKey(person.claims.email)}` : `i${person.id}`;
      // Two lines about one person are written one after the other: the later one counts.
      if (batch.has(key) || batch.size >= BATCH) await flush();
      batch.set(key, { ...person, number });
    } catch (error) {
      if (!(error instanceof LineFault)) throw error;
      faulty += 1;
      console.error(`line ${number}: ${error.message}`);
    }
  }
  await flush();
  return { imported, faulty };
}

/** @param {Entry} entry @param {Users} users @param {(email: string) => string} emailKey @param {number} issuedAtS */
async function importOne({ id, claims, number }, users, emailKey, issuedAtS) {
  if (id !== undefined) return void (await users.ensure(id, claims, issuedAtS));
  const email = emailKey(/** @type {string} */ (claims.email));
  const { user, created } = await users.numberImported(email);
  await users.ensure(user, claims, issuedAtS);
  if (created) console.log(`line ${number}: user ${user}`);
}
