import { existsSync } from 'node:fs';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import serveStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

/** Made by the build. */
const ROOT = fileURLToPath(new URL('../console', import.meta.url));
/** The build names these by what is in them: a changed one has another name. */
const HASHED = `${sep}assets${sep}`;

/**
 * The web console at `/`: files that the build made and compressed. Each has a route of its own, so that nothing else is
 * served and the dialects' own 404 stays theirs. `storeOrigin`: where pictures are loaded from.
 */
export async function registerConsole(
  app: FastifyInstance,
  storeOrigin: string | undefined,
  log: Logger,
): Promise<void> {
  if (!existsSync(ROOT)) {
    log.warn('the web console was not built: nothing is served at /');
    return;
  }
  const headers = headersFor(storeOrigin);
  await app.register(async (scope) => {
    // A page is several files, and an office shares an address.
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, unlimited: true };
    });
    await scope.register(serveStatic, {
      root: ROOT,
      wildcard: false,
      globIgnore: ['**/*.{br,gz}'],
      preCompressed: true,
      decorateReply: false,
      cacheControl: false,
      setHeaders: (response, path) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        const kept = path.includes(HASHED) ? 'public, max-age=31536000, immutable' : 'no-cache';
        response.setHeader('cache-control', kept);
      },
    });
  });
}

/** Nothing is loaded from elsewhere but pictures from the store, nothing runs that is not a file of ours, and nobody frames it. */
function headersFor(storeOrigin: string | undefined): Readonly<Record<string, string>> {
  const policy = {
    'default-src': "'none'",
    'script-src': "'self'",
    'style-src': "'self'",
    'img-src': ["'self'", 'blob:', ...(storeOrigin === undefined ? [] : [storeOrigin])].join(' '),
    'connect-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'",
    'require-trusted-types-for': "'script'",
  };
  return {
    'content-security-policy': Object.entries(policy)
      .map(([name, value]) => `${name} ${value}`)
      .join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  };
}
