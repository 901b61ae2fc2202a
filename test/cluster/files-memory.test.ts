/** Many large uploads at once cost a node little memory. */

import { readFileSync } from 'node:fs';
import t from 'tap';
import { fetchObject, startFileWorld } from '../helpers/files.js';
import { sha256 } from '../helpers/s3.js';

const MIB = 1024 * 1024;
const UPLOADS = 20;

/** Resident memory of a process now and at its most, in MiB. */
function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

t.test(`${UPLOADS} uploads of 25 MiB at once`, { skip: process.platform !== 'linux' }, async (t) => {
  const world = await startFileWorld(t);
  const ann = await world.person('ann');
  await world.person('bob');
  const [node] = world.nodes;
  const body = Buffer.alloc(25 * MIB);
  for (let at = 0; at < body.length; at += 4096) body.writeUInt32LE(at, at);
  const post = async () => {
    const data = new FormData();
    data.append('files', new Blob([body]), 'large.bin');
    data.append('other_user_id', 'bob');
    const answer = await fetch(`${node.url}/upload_files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ann}` },
      body: data,
      signal: AbortSignal.timeout(200_000),
    });
    const { files } = (await answer.json()) as { files?: { file_url: string }[] };
    return { status: answer.status, url: files?.[0]?.file_url as string };
  };
  const before = memoryOf(node.pid).now;
  const answers = await Promise.all(Array.from({ length: UPLOADS }, post));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
  const growth = memoryOf(node.pid).peak - before;
  t.comment(`the node grew by ${Math.round(growth)} MiB at most`);
  t.ok(growth < 200, `it grew by ${Math.round(growth)} MiB`);
  const whole = sha256(body);
  for (const { url } of [answers[0], answers.at(-1)] as { url: string }[]) {
    t.equal(sha256((await fetchObject(await world.presigned(ann, url))).bytes), whole);
  }
});
