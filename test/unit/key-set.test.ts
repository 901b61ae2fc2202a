import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import t, { type Test } from 'tap';
import { createKeySet } from '../../src/http/key-set.js';

const unavailable = { name: 'ChatError', code: 'unavailable', retryAfterS: 5 };
const MINUTE = 60_000;

/** An issuer that answers with `body` until it is told to fail, and counts what it is asked. */
async function issuer(t: Test, body: string) {
  const state = { asked: 0, up: true, body, url: '' };
  const server = createServer((_, response) => {
    state.asked += 1;
    response.writeHead(state.up ? 200 : 500).end(state.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  return state;
}

/** Moves the clock of this process. */
function clock(t: Test): (aheadMs: number) => void {
  const real = Date.now;
  t.teardown(() => {
    Date.now = real;
  });
  return (aheadMs) => {
    Date.now = () => real() + aheadMs;
  };
}

async function key(kid?: string): Promise<JWK> {
  const { publicKey } = await generateKeyPair('ES256');
  return { ...(await exportJWK(publicKey)), ...(kid !== undefined && { kid }) };
}

const setOf = async (...kids: string[]): Promise<string> =>
  JSON.stringify({ keys: await Promise.all(kids.map((kid) => key(kid))) });

const header = (kid: string) => ({ alg: 'ES256', kid });

t.test('a header picks its key, none, or all that fit', async (t) => {
  const { url } = await issuer(t, await setOf('a', 'b'));
  const keys = createKeySet(url);
  t.equal((await keys(header('a'))).length, 1);
  t.equal((await keys(header('c'))).length, 0);
  t.equal((await keys({ alg: 'ES256' })).length, 2);
  t.equal((await keys({ alg: 'RS256', kid: 'a' })).length, 0, 'not for another algorithm');
});

t.test('a new key is found half a minute later, and one withdrawn is gone after ten minutes', async (t) => {
  const forward = clock(t);
  const server = await issuer(t, await setOf('a'));
  const keys = createKeySet(server.url);
  t.equal((await keys(header('a'))).length, 1);
  server.body = await setOf('b');
  t.equal((await keys(header('b'))).length, 0);
  t.equal(server.asked, 1, 'unknown keys do not make it ask again at once');
  forward(31_000);
  t.equal((await keys(header('b'))).length, 1);
  t.equal((await keys(header('a'))).length, 0);
  server.body = await setOf('c');
  forward(11 * MINUTE);
  t.equal((await keys(header('b'))).length, 0);
});

t.test('an issuer that is down is not hammered, and its known keys stay good for an hour', async (t) => {
  const forward = clock(t);
  const server = await issuer(t, await setOf('a'));
  const keys = createKeySet(server.url);
  await keys(header('a'));
  server.up = false;
  forward(11 * MINUTE);
  for (let i = 0; i < 20; i += 1) t.equal((await keys(header('a'))).length, 1);
  t.equal(server.asked, 2, 'one failed renewal for all of them');
  await t.rejects(keys(header('new')), unavailable, 'an unseen key may be a new one');
  forward(11 * MINUTE + 6000);
  t.equal((await keys(header('a'))).length, 1);
  t.equal(server.asked, 3, 'it is asked again after some seconds');
  forward(61 * MINUTE);
  await t.rejects(keys(header('a')), unavailable, 'an hour later the old keys are not believed');
  server.up = true;
  forward(61 * MINUTE + 6000);
  t.equal((await keys(header('a'))).length, 1, 'back as soon as the issuer is');
});

t.test('what is no key set is unavailable', async (t) => {
  for (const body of ['{"keys":7}', 'oops', '', '[]']) {
    const { url } = await issuer(t, body);
    await t.rejects(createKeySet(url)(header('a')), unavailable, body);
  }
  await t.rejects(createKeySet('http://127.0.0.1:1/')(header('a')), unavailable, 'nobody listens');
});
