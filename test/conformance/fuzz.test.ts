/**
 * Whatever is documented, in every way that it is not meant: each operation and frame of the API documents, with parts
 * that are missing, wrong, odd or broken. The nodes answer all of it as documented, in time, and nobody else notices.
 * FUZZ_CASES and FUZZ_SEED make it longer, and other.
 */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { ApiDocs } from '../helpers/api-docs.js';
import { casesOf } from '../helpers/fuzz/cases.js';
import { Fuzzer } from '../helpers/fuzz/run.js';
import { startFuzzWorld } from '../helpers/fuzz/world.js';
import { HealthyPair } from '../helpers/healthy-pair.js';
import { open } from '../helpers/socket.js';

const CASES = Number(process.env.FUZZ_CASES ?? 5_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_120);
/** Cases that are made at once. */
const ROUND = 1_000;
/** Cases after which a node is warm: what it grows by until then is no leak. */
const WARM = Math.max(2 * ROUND, CASES / 10);
/** What a node may grow by from then on, however many cases come. */
const MAX_GROWTH_KB = 120 * 1024;
const SHOWN = 20;

// Longer than other files may take, where it is asked for.
if (CASES > 5_000) t.setTimeout(CASES * 40);

t.test(`${CASES} cases from the documents`, async (t) => {
  if (CASES > 5_000) t.setTimeout(CASES * 40);
  const fuzz = await startFuzzWorld(t);
  const { nodes } = fuzz.world;
  const docs = await ApiDocs.of(nodes[0]);
  const [quiet, sockets] = [await roomOf(), [] as Awaited<ReturnType<typeof open>>[]];
  for (const [i, { id, token }] of fuzz.people.entries()) {
    const url = `${(nodes[i] as (typeof nodes)[0]).wsUrl}/api/v1/ws/${quiet}/${id}?token=${token}`;
    const socket = await open(url, { t });
    await socket.nextOf('history');
    sockets.push(socket);
  }
  const [ann, bob] = sockets as [(typeof sockets)[0], (typeof sockets)[0]];
  const pair = new HealthyPair(ann, bob);

  const fuzzer = new Fuzzer(docs, fuzz);
  t.teardown(() => fuzzer.close());
  const cases = casesOf(docs, fuzz);
  let warm: number[] = [];
  for (let done = 0; done < CASES && fuzzer.faults.length < SHOWN; done += ROUND) {
    if (done >= WARM && warm.length === 0) warm = nodes.map(residentKb);
    const numRuns = Math.min(ROUND, CASES - done);
    await fuzzer.run(fc.sample(cases, { seed: SEED + done, numRuns }));
  }
  t.equal(fuzzer.faults.length, 0, `seed ${SEED}:\n${fuzzer.faults.slice(0, SHOWN).join('\n')}`);
  const growth = nodes.map((node, i) => residentKb(node) - (warm[i] ?? residentKb(node)));
  t.ok(Math.max(...growth) < MAX_GROWTH_KB, `the nodes grew by ${growth.join(' and ')} KiB`);
  await pair.untroubled(t, nodes);

  const missed = operations(docs).filter((name) => !fuzzer.coverage.get(name)?.accepted);
  t.same(missed, [], 'each operation and socket was accepted too');
  const counts = [...fuzzer.coverage.values()];
  const sum = (key: 'accepted' | 'refused') => counts.reduce((all, count) => all + count[key], 0);
  t.ok(sum('refused') > CASES / 10, `${sum('refused')} refused`);
  t.ok(sum('accepted') > CASES / 10, `${sum('accepted')} accepted`);
  t.comment(`${sum('accepted')} accepted, ${sum('refused')} refused, grew by ${growth.join(' and ')} KiB`);

  async function roomOf(): Promise<string> {
    const body = { name: 'the healthy pair' };
    const answer = await fuzz.world.api<{ id: string }>('POST', '/api/v1/rooms', fuzz.people[0].token, body);
    return answer.body.id;
  }
});

function residentKb({ pid }: { pid: number }): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Everything that is documented, as the fuzzer counts it. */
function operations(docs: ApiDocs): string[] {
  const requests = Object.entries(docs.open.paths).flatMap(([path, all]) =>
    Object.keys(all).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const channels = Object.values(docs.async.channels);
  return [
    ...requests,
    ...channels.flatMap(({ address, title }) => [`socket ${address}`, `upgrade ${title}`]),
  ];
}
