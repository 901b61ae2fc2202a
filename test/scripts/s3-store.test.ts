/** The embedded store of local runs and tests: what it acknowledged is there. */

import { Client } from 'minio';
import t from 'tap';
import { startS3 } from '../helpers/s3.js';

const ROUNDS = 200;

t.test('an object outlives the removal of its neighbour', async (t) => {
  const { url, env } = await startS3(t);
  const store = new Client({
    endPoint: '127.0.0.1',
    port: Number(new URL(url).port),
    useSSL: false,
    accessKey: env.S3_ACCESS_KEY,
    secretKey: env.S3_SECRET_KEY,
  });
  await store.makeBucket('files');
  let kept = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await store.putObject('files', 'day/first', 'one');
    await Promise.all([
      store.removeObject('files', 'day/first'),
      store.putObject('files', 'day/second', 'two'),
    ]);
    const found = await store.statObject('files', 'day/second').catch(() => undefined);
    if (found?.size === 3) kept += 1;
    await store.removeObject('files', 'day/second');
  }
  t.equal(kept, ROUNDS);
});
