/** Asking a model: a real endpoint over HTTP that answers well and badly. */

import t from 'tap';
import type { FailureReason, ModelError } from '../../src/agent/model.js';
import { OpenAiModel } from '../../src/agent/openai.js';
import { agentStats } from '../../src/agent/stats.js';
import { write } from '../../src/agent/writer.js';
import type { DeltaEvent } from '../../src/core/model.js';
import {
  type Asked,
  begin,
  finish,
  inTurn,
  piece,
  refusing,
  type Script,
  saying,
  startModel,
} from '../helpers/model.js';
import { sleep, until } from '../helpers/wait.js';

/** Nobody listens on so low a port; one that is free now may be somebody's before all attempts are made. */
const NOBODY_THERE = 'http://127.0.0.1:2/v1';

/** What an endpoint may take that is to fall silent, and any other one on a busy machine. */
const SILENCE_MS = 3_000;
const PATIENCE_MS = 20_000;

interface Outcome {
  text: string;
  outcome: string;
  deltas: DeltaEvent[];
  reasons: FailureReason[];
  asked: number;
  /** The last request. */
  last: Asked | undefined;
}

/** What comes of asking an endpoint of its own that does these things one after the other. */
async function ask(
  scripts: Script[],
  more: { maxBytes?: number; url?: string; key?: string; silenceMs?: number; deltas?: DeltaEvent[] } = {},
): Promise<Outcome> {
  const endpoint = await startModel(t, inTurn(...scripts));
  const { deltas = [] } = more;
  const failures: ModelError[] = [];
  const model = new OpenAiModel({
    baseUrl: more.url ?? endpoint.url,
    apiKey: more.key,
    model: 'some-model',
    silenceMs: more.silenceMs ?? PATIENCE_MS,
  });
  const written = await write(
    {
      model,
      maxBytes: more.maxBytes ?? 16_384,
      stats: agentStats(),
      onFailure: (error) => failures.push(error),
    },
    [{ role: 'user', text: 'hello' }],
    async (event) => void deltas.push(event),
    new AbortController().signal,
  );
  return {
    ...written,
    deltas,
    reasons: failures.map(({ reason }) => reason),
    asked: endpoint.asked.length,
    last: endpoint.asked.at(-1),
  };
}

/** The text that a client has put together when the last delta has come. */
function shown(deltas: readonly DeltaEvent[]): string {
  return deltas.reduce((text, delta) => (delta.anew ? '' : text) + delta.text, '');
}

const cut: Script = async (response) => {
  begin(response);
  piece(response, 'Half an ans');
  await sleep(100);
  response.destroy();
};
const good = saying('The whole answer.');

t.test('what is asked is what the protocol says, and the answer comes as it grows', async (t) => {
  const deltas: DeltaEvent[] = [];
  const words = ['A slow ', 'answer of ', 'some words.'];
  // Each part is said when the one before it has been shown: said in time alone, several might come at once.
  const slow: Script = async (response) => {
    begin(response);
    for (const [i, part] of words.entries()) {
      await until('what was said is shown', () => deltas.length >= i, PATIENCE_MS);
      piece(response, part);
    }
    finish(response);
  };
  const { text, outcome, reasons, last } = await ask([slow], { key: 'secret', deltas });
  t.equal(text, 'A slow answer of some words.');
  t.equal(outcome, 'answered');
  t.same(reasons, []);
  t.equal(shown(deltas), text);
  t.same(
    deltas.map((delta) => delta.text),
    words,
  );
  t.match(last, {
    key: 'secret',
    model: 'some-model',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  });
});

t.test('without a key none is shown, not even one that lies in the environment', async (t) => {
  process.env.OPENAI_API_KEY = 'somebody-elses';
  t.teardown(() => delete process.env.OPENAI_API_KEY);
  const { last } = await ask([good]);
  t.equal(last?.key, '');
});

t.test('what may be over soon is asked again', async (t) => {
  const silent: Script = (response) => begin(response);
  const stuck: Script = (response) => {
    begin(response);
    piece(response, 'and then noth');
  };
  const early: Script = (response) => {
    begin(response);
    piece(response, 'closed in good order');
    response.end();
  };
  const page: Script = (response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>');
  };
  const broken: Script = (response) => {
    begin(response);
    response.end('data: {"choices":[{"del\n\n');
  };
  const odd: Script = (response) => {
    begin(response);
    response.end(
      'data: null\n\ndata: 17\n\ndata: {"choices":"none"}\n\ndata: {"choices":[{"delta":{"content":{}}}]}\n\n',
    );
  };
  const empty: Script = (response) => {
    begin(response);
    piece(response, ' \n ');
    finish(response);
  };
  const inside: Script = (response) => {
    begin(response);
    response.end('data: {"error":{"message":"out of memory"}}\n\n');
  };
  const never: Script = () => undefined;
  const flood: Script = async (response) => {
    begin(response);
    response.write('data: "');
    while (!response.destroyed) {
      response.write('x'.repeat(65_536));
      await sleep(1);
    }
  };
  const cases: [string, Script, FailureReason][] = [
    ['500', refusing(500), 'failed'],
    ['503', refusing(503), 'failed'],
    ['429', refusing(429), 'busy'],
    ['a cut connection', cut, 'cut'],
    ['an end before the end', early, 'cut'],
    ['a web page', page, 'cut'],
    ['broken JSON', broken, 'garbage'],
    ['an error in the stream', inside, 'failed'],
    ['JSON of another shape', odd, 'cut'],
    ['an empty answer', empty, 'garbage'],
    ['no answer at all', never, 'silent'],
    ['no word', silent, 'silent'],
    ['no further word', stuck, 'silent'],
    ['a line without end', flood, 'garbage'],
  ];
  const outcomes = await Promise.all(
    cases.map(([, script, reason]) =>
      ask([script, good], reason === 'silent' ? { silenceMs: SILENCE_MS } : {}),
    ),
  );
  for (const [i, [what, , reason]] of cases.entries()) {
    const { text, reasons, deltas, asked } = outcomes[i] as Outcome;
    t.same([text, reasons, asked], ['The whole answer.', [reason], 2], what);
    t.equal(shown(deltas), text, `${what}: what was shown before is void`);
  }
});

t.test('when it goes on failing the answer is an apology in words', async (t) => {
  const [busy, refused, away] = await Promise.all([
    ask([refusing(429)]),
    ask([refusing(401)]),
    ask([good], { url: NOBODY_THERE }),
  ]);
  t.match(busy, {
    outcome: 'apologised',
    text: /too much is being asked/,
    asked: 4,
    reasons: ['busy', 'busy', 'busy', 'busy'],
  });
  t.match(refused, { outcome: 'apologised', text: /refused/, asked: 1, reasons: ['refused'] });
  t.match(away, { outcome: 'apologised', text: /cannot be reached/, asked: 0, reasons: { length: 4 } });
  t.same(new Set(away.reasons), new Set(['unreachable']));
  const short = await ask([refusing(401)], { maxBytes: 20 });
  t.match(short, { outcome: 'apologised', text: 'I could not answe…' }, 'no longer than any message');
  for (const { text } of [busy, refused, away])
    t.notMatch(text, /\d{3}|127\.0/, 'nothing of how it is built here');
});

t.test('a comment now and then is a sign of life', async (t) => {
  const thinking: Script = async (response) => {
    begin(response);
    for (let i = 0; i < 8; i += 1) {
      await sleep(SILENCE_MS / 6);
      response.write(': still thinking\n\n');
    }
    piece(response, 'Done.');
    finish(response);
  };
  t.match(await ask([thinking], { silenceMs: SILENCE_MS }), { text: 'Done.', reasons: [], asked: 1 });
});

t.test('it comes back when the endpoint says', async (t) => {
  const start = performance.now();
  const { text } = await ask([refusing(429, { 'retry-after': '2' }), good]);
  t.equal(text, 'The whole answer.');
  t.ok(performance.now() - start >= 2_000, 'not before');
});

t.test('an answer that is too long is cut, and the endpoint is left', async (t) => {
  const endless: Script = async (response) => {
    begin(response);
    while (!response.destroyed) {
      piece(response, 'wörd ');
      await sleep(1);
    }
  };
  const { text, outcome, last } = await ask([endless], { maxBytes: 1_000 });
  t.equal(outcome, 'answered');
  t.ok(Buffer.byteLength(text) <= 1_000 && Buffer.byteLength(text) > 990, `${Buffer.byteLength(text)} bytes`);
  t.match(text, /^(wörd )+\S*…$/);
  await until('the request is over', () => last?.left);
});

t.test('halves of characters are put together, and what is none is replaced', async (t) => {
  const halves: Script = async (response) => {
    begin(response);
    piece(response, 'a \ud83d');
    await sleep(120);
    piece(response, '\ude00 b \ud83d');
    finish(response);
  };
  const { text, deltas } = await ask([halves]);
  t.equal(text, 'a 😀 b \ufffd');
  t.equal(shown(deltas), text);
  t.notOk(deltas.some((delta) => /\p{Surrogate}/u.test(delta.text)));
});

t.test('who asks may stop asking', async (t) => {
  const endless: Script = async (response) => {
    begin(response);
    for (; !response.destroyed; await sleep(50)) piece(response, 'and on ');
  };
  const endpoint = await startModel(t, endless);
  const model = new OpenAiModel({ baseUrl: endpoint.url, apiKey: 'k', model: 'm', silenceMs: PATIENCE_MS });
  const stop = new AbortController();
  const failures: ModelError[] = [];
  const writing = write(
    { model, maxBytes: 1_000, stats: agentStats(), onFailure: (error) => failures.push(error) },
    [{ role: 'user', text: 'hello' }],
    async () => stop.abort(),
    stop.signal,
  );
  await t.rejects(writing, { name: 'AbortError' });
  t.same(failures, [], 'that is no failure of the model');
  await until('the request is over', () => endpoint.asked.at(-1)?.left);
});
