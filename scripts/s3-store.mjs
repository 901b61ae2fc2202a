/**
 * The embedded S3 store of local runs and tests, on loopback: s3rver with a guard in front. Nothing gets past the guard
 * without a signature, and what s3rver lacks of multipart uploads (listing, parts, abort) is added behind its own check
 * of signatures. For real deployments there are real stores.
 *
 * Environment: S3_STORE_DIR, S3_STORE_PORT, S3_ACCESS_KEY, S3_SECRET_KEY.
 */

import { mkdirSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const load = createRequire(import.meta.url);
// s3rver encodes queries with this when it checks a signature. S3 escapes more than JavaScript does: apostrophes, say,
// of which the name of every file that is served has two.
const encode = globalThis.encodeURIComponent;
globalThis.encodeURIComponent = (/** @type {string | number | boolean} */ text) =>
  encode(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

const S3rver = load('@20minutes/s3rver');
const Account = load('@20minutes/s3rver/lib/models/account');
const FilesystemStore = load('@20minutes/s3rver/lib/stores/filesystem');
// Its own way also removes folders that it saw empty a moment before, with what has come into them since.
FilesystemStore.prototype.deleteObject = async function deleteObject(
  /** @type {string} */ bucket,
  /** @type {string} */ key,
) {
  const kinds = ['object', 'object.md5', 'metadata.json'];
  await Promise.all(kinds.map((kind) => rm(this.getResourcePath(bucket, key, kind), { force: true })));
};

const { S3_STORE_DIR, S3_STORE_PORT, S3_ACCESS_KEY, S3_SECRET_KEY } = process.env;
if (!S3_STORE_DIR || !S3_STORE_PORT || !S3_ACCESS_KEY || !S3_SECRET_KEY) {
  throw new Error('S3_STORE_DIR, S3_STORE_PORT, S3_ACCESS_KEY and S3_SECRET_KEY are needed');
}

/** Where s3rver keeps the parts of unfinished uploads of a bucket. */
const UPLOADS = '._S3rver_uploads';

mkdirSync(S3_STORE_DIR, { recursive: true, mode: 0o700 });
const store = new S3rver({ silent: true, directory: S3_STORE_DIR, vhostBuckets: false });
// Its well-known key pair must not work.
for (const key of [...Account.DUMMY_ACCOUNT.accessKeys.keys()]) Account.DUMMY_ACCOUNT.revokeAccessKey(key);
Account.DUMMY_ACCOUNT.createKeyPair(S3_ACCESS_KEY, S3_SECRET_KEY);
// Around the router, and inside of what makes XML of answers.
store.middleware.splice(-1, 0, missingMultipart);
const answer = store.callback();

const server = createServer((request, response) => {
  const query = new URL(request.url ?? '/', 'http://store').searchParams;
  const presigned = query.has('X-Amz-Signature');
  if (!presigned && !request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) {
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
    return;
  }
  // A client that followed a redirect may still carry its token for elsewhere.
  if (presigned) delete request.headers.authorization;
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('access-control-allow-origin', '*');
  answer(request, response);
});
server.listen(Number(S3_STORE_PORT), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));

/**
 * s3rver checks the signature first and then refuses what it does not know: that refusal is where these come in.
 * @param {any} ctx
 * @param {() => Promise<void>} next
 */
async function missingMultipart(ctx, next) {
  try {
    await next();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'MethodNotAllowed' && code !== 'NotImplemented') throw error;
    const { bucket, key } = ctx.params;
    const dir = join(/** @type {string} */ (S3_STORE_DIR), bucket, UPLOADS);
    const { uploadId } = ctx.query;
    if (ctx.method === 'GET' && !key && 'uploads' in ctx.query) ctx.body = await listUploads(dir);
    else if (ctx.method === 'DELETE' && /^\w+$/.test(uploadId ?? '')) {
      await rm(join(dir, uploadId), { recursive: true, force: true });
      ctx.status = 204;
    } else throw error;
  }
}

/** @param {string} dir */
async function listUploads(dir) {
  const ids = await readdir(dir).catch(() => []);
  const uploads = await Promise.all(
    ids.map(async (id) => ({
      Key: await readFile(join(dir, id, 'key'), 'utf8'),
      UploadId: id,
      Initiated: (await stat(join(dir, id))).birthtime.toISOString(),
    })),
  );
  return {
    ListMultipartUploadsResult: {
      '@': { xmlns: 'http://s3.amazonaws.com/doc/2006-03-01/' },
      IsTruncated: false,
      Upload: uploads,
    },
  };
}
