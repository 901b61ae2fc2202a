import { ChatError } from '../core/errors.js';
import type { ObjectStore } from '../core/file-ports.js';

const RETRY_S = 60;

/** The store of a node that has none: everything but files works. */
export class NoObjectStore implements ObjectStore {
  put(): Promise<number> {
    return refuse();
  }

  remove(): Promise<void> {
    return refuse();
  }

  presign(): Promise<string> {
    return refuse();
  }

  async sweep(): Promise<number> {
    return 0;
  }
}

async function refuse(): Promise<never> {
  throw new ChatError('unavailable', 'files are not available here', { retryAfterS: RETRY_S });
}
