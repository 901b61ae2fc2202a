/** The agent while things break: each question has one answer in the end, whoever dies. */

import { once } from 'node:events';
import t, { type Test } from 'tap';
import { AGENT_USER, formatUuid } from '../../src/core/ids.js';
import { request } from '../helpers/http.js';
import {
  type Asked,
  begin,
  finish,
  type ModelServer,
  piece,
  type Script,
  saying,
  startModel,
} from '../helpers/model.js';
import { startNode, type TestNode } from '../helpers/node.js';
import { startRedisCluster } from '../helpers/redis-cluster.js';
import { type Frame, open, type TestSocket } from '../helpers/socket.js';
import { mintToken } from '../helpers/token.js';
import { OWN_SERVERS, startAnyRedis } from '../helpers/topology.js';
import { type Owner, sleep, until } from '../helpers/wait.js';

// Most of the time they wait for leases to end.
t.jobs = 2;

const AGENT = formatUuid('user', Number(AGENT_USER));
/** A node that died holds a room for its lease, and its jobs are looked for every 3 s. */
const TAKE_OVER_MS = 25_000;
const NODES = ['a', 'b'] as const;
type Name = (typeof NODES)[number];

interface Scene {
  readonly nodes: Record<Name, TestNode>;
  readonly model: ModelServer;
  readonly token: string;
}

/** Two nodes and a model that knows them apart by their keys. */
async function scene(t: Owner, env: Record<string, string>, script?: Script): Promise<Scene> {
  const model = await startModel(t, script);
  const start = (name: Name) =>
    startNode(t, {
      AGENT_BASE_URL: model.url,
      AGENT_MODEL: 'm',
      AGENT_API_KEY: name,
      AGENT_RATE: '0',
      ...env,
    });
  const [a, b] = await Promise.all([start('a'), start('b')]);
  return { nodes: { a, b }, model, token: await mintToken({ sub: 'ann' }) };
}

async function conversation({ nodes, token }: Scene): Promise<string> {
  const answer = await request<Frame>('POST', `${nodes.b.url}/api/conversations`, {
    token,
    body: { is_ai: true },
  });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body.conversation_id as string;
}

async function say(
  { token }: Scene,
  node: TestNode,
  conversation_id: string,
  message: string,
): Promise<void> {
  const body = { conversation_id, message };
  const answer = await request('POST', `${node.url}/api/messages/`, { token, body });
  if (answer.status !== 200) throw new Error(answer.text);
}

async function history({ token }: Scene, node: TestNode, id: string): Promise<[who: string, what: string][]> {
  const { body, status } = await request<Frame[]>('GET', `${node.url}/api/conversations/${id}`, { token });
  if (status !== 200) throw new Error(`${status}`);
  return body.map(({ sender_id, message }) => [sender_id === AGENT ? 'agent' : 'ann', String(message)]);
}

function listen({ token }: Scene, t: Owner, node: TestNode, id: string): Promise<TestSocket> {
  return open(`${node.wsUrl}/api/conversations/${id}/connect?token=${token}`, { t });
}

const isAnswer = (frame: Frame) => frame.sender_id === AGENT;
/** What a client has drawn of the last answer: a stored message ends one, and `at` 0 begins it anew. */
function drawn(socket: TestSocket): string {
  let text = '';
  let ended = false;
  for (const frame of socket.frames) {
    if (isAnswer(frame)) ended = true;
    if (frame.type !== 'delta') continue;
    text = (ended || frame.at === 0 ? '' : text) + frame.text;
    ended = false;
  }
  return text;
}

/** Begins an answer and goes on only when told to; `say` is what it says in the end. */
function hesitating(say: (asked: Asked) => string): { script: Script; goOn: () => void } {
  const told = new AbortController();
  const script: Script = async (response, asked) => {
    begin(response);
    piece(response, say(asked).slice(0, 4));
    if (!told.signal.aborted) await once(told.signal, 'abort');
    piece(response, say(asked).slice(4));
    finish(response);
  };
  return { script, goOn: () => told.abort() };
}

/** The one who is answering now, and the other one. */
async function roles({ model }: Scene): Promise<[answering: Name, other: Name]> {
  const asked = await until('the model is asked', () => model.asked.at(-1));
  return asked.key === 'a' ? ['a', 'b'] : ['b', 'a'];
}

async function settled(
  t: Test,
  s: Scene,
  node: TestNode,
  id: string,
  expected: [string, string][],
): Promise<void> {
  await until(
    'the answer is stored',
    async () => (await history(s, node, id)).length >= expected.length,
    TAKE_OVER_MS,
  );
  // Whoever would answer again had the time to.
  await until(
    'nothing is left to do',
    async () => {
      const { text } = await request('GET', `${node.url}/metrics`);
      return /^parlance_agent_pending 0$/m.test(text);
    },
    TAKE_OVER_MS,
  );
  t.same(await history(s, node, id), expected);
}

t.test('a node killed while it answers: another one answers, once', async (t) => {
  const redis = await startAnyRedis(t);
  const slow = hesitating(({ key }) => `Said by ${key}.`);
  const s = await scene(t, redis.env, slow.script);
  const id = await conversation(s);
  await say(s, s.nodes.a, id, 'who are you?');
  const [dying, other] = await roles(s);
  const socket = await listen(s, t, s.nodes[other], id);
  await say(s, s.nodes[dying], id, 'and what else?');
  await s.nodes[dying].kill9();
  slow.goOn();
  await until('both answers', () => socket.frames.filter(isAnswer).length === 2, TAKE_OVER_MS);
  await settled(t, s, s.nodes[other], id, [
    ['ann', 'who are you?'],
    ['ann', 'and what else?'],
    ['agent', `Said by ${other}.`],
    ['agent', `Said by ${other}.`],
  ]);
  t.equal(drawn(socket), `Said by ${other}.`, 'and it was seen being written');
  t.same(
    s.model.asked.map(({ key }) => key),
    [dying, other, other],
    'nobody asked for nothing',
  );
});

t.test('a node killed when its answer was stored, but nobody knows: no second answer', async (t) => {
  const redis = await startAnyRedis(t);
  const s = await scene(t, redis.env, saying('At once.'));
  const id = await conversation(s);
  const sockets = { a: await listen(s, t, s.nodes.a, id), b: await listen(s, t, s.nodes.b, id) };
  await say(s, s.nodes.b, id, '1');
  await sockets.b.next(isAnswer, TAKE_OVER_MS);
  const [dead, other] = await roles(s);
  await s.nodes[dead].kill9();
  await say(s, s.nodes[other], id, '2');
  await sockets[other].next((frame) => isAnswer(frame) && s.model.asked.length > 1, TAKE_OVER_MS);
  const twice = ['1', '2'].flatMap((n): [string, string][] => [
    ['ann', n],
    ['agent', 'At once.'],
  ]);
  await settled(t, s, s.nodes[other], id, twice);
  t.equal(s.model.asked.length, 2);
});

t.test('a node frozen while it answers, and thawed when another has: its answer is not stored', async (t) => {
  const redis = await startAnyRedis(t);
  const slow = hesitating(({ key }) => `Said by ${key}.`);
  const s = await scene(t, redis.env, slow.script);
  const id = await conversation(s);
  await say(s, s.nodes.a, id, 'who are you?');
  const [frozen, other] = await roles(s);
  s.nodes[frozen].pause();
  await until('the other one asks', () => s.model.asked.length === 2, TAKE_OVER_MS);
  s.nodes[frozen].resume();
  slow.goOn();
  await until(
    'both were heard',
    () => s.model.asked.length === 2 && s.model.asked.every((one) => one !== undefined),
  );
  await settled(t, s, s.nodes[other], id, [
    ['ann', 'who are you?'],
    ['agent', `Said by ${other}.`],
  ]);
});

t.test('a node that stops gives its answer away at once', async (t) => {
  const redis = await startAnyRedis(t);
  const slow = hesitating(({ key }) => `Said by ${key}.`);
  const s = await scene(t, { ...redis.env, DRAIN_MS: '100' }, slow.script);
  const id = await conversation(s);
  await say(s, s.nodes.a, id, 'who are you?');
  const [stopping, other] = await roles(s);
  t.equal(await s.nodes[stopping].stop(), 0, 'it ends in good order');
  // A lease that it had kept to the end would go on for at least two thirds of its nine seconds.
  await until(
    'the other one asks, without waiting for a lease to end',
    () => s.model.asked.length === 2,
    5_500,
  );
  slow.goOn();
  await settled(t, s, s.nodes[other], id, [
    ['ann', 'who are you?'],
    ['agent', `Said by ${other}.`],
  ]);
});

t.test('Redis restarted while it answers', async (t) => {
  const redis = await startAnyRedis(t, { aof: 'everysec' });
  const slow = hesitating(() => 'Still here.');
  const s = await scene(t, redis.env, slow.script);
  const id = await conversation(s);
  await say(s, s.nodes.a, id, 'are you there?');
  await roles(s);
  const socket = await listen(s, t, s.nodes.a, id);
  await redis.stop();
  slow.goOn();
  await sleep(1_000); // the answer is there, and nobody can store it
  await redis.restart();
  await socket.next(isAnswer, TAKE_OVER_MS);
  await settled(t, s, s.nodes.a, id, [
    ['ann', 'are you there?'],
    ['agent', 'Still here.'],
  ]);
  // The other node may be later to find Redis again.
  await until('it takes a question', () => say(s, s.nodes.b, id, 'and now?').then(() => true), TAKE_OVER_MS);
  await socket.next(isAnswer, TAKE_OVER_MS);
});

t.test('on a cluster: many rooms at once, one node killed in the middle', OWN_SERVERS, async (t) => {
  // Nothing is to fail over because the machine is busy.
  const cluster = await startRedisCluster(t, { nodeTimeoutMs: 15_000 });
  const talk: Script = saying(({ question }) => `You asked: ${question}`, 20);
  const s = await scene(t, cluster.env, talk);
  const rooms = await Promise.all(Array.from({ length: 12 }, () => conversation(s)));
  const rounds: number[] = [];
  const ask = () => {
    const round = rounds.push(rounds.length) - 1;
    return Promise.all(rooms.map((id, i) => say(s, s.nodes.b, id, `${round} of ${i}, if you please`)));
  };
  const both = () => NODES.every((name) => s.model.asked.some(({ key }) => key === name));
  // The quicker one may have taken all of the first round.
  const bothOrMore = async () => {
    if (both()) return true;
    await ask();
    return false;
  };
  await until('both nodes answer', bothOrMore, 40_000, 1_000);
  await ask();
  await s.nodes.a.kill9();
  await ask();
  for (const [i, id] of rooms.entries()) {
    const log = await until(
      'an answer to each',
      async () => {
        const found = await history(s, s.nodes.b, id);
        return found.length >= 2 * rounds.length && found;
      },
      TAKE_OVER_MS,
    );
    const said = (who: string) => log.filter(([by]) => by === who).map(([, what]) => what);
    t.same(
      said('ann'),
      rounds.map((round) => `${round} of ${i}, if you please`),
    );
    t.same(
      said('agent'),
      said('ann').map((what) => `You asked: ${what}`),
      'one answer each, in order',
    );
  }
});
