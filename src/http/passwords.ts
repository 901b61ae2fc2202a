import { hash, verify } from '@node-rs/argon2';
import { ChatError } from '../core/errors.js';
import type { PasswordHasher } from '../core/ports.js';

/** Argon2id with 19 MiB, two passes, one lane: the OWASP recommendation. */
const ARGON2ID = 2; // the package's enum exists at compile time only
const OPTIONS = { algorithm: ARGON2ID, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Passwords worked on at once, and waiting. More at once would hold up the event loop and everybody's messages. */
const AT_ONCE = 2;
const MAX_WAITING = 256;

/** A hasher that does `atOnce` passwords at a time; those beyond `maxWaiting` are turned away. */
export function createPasswordHasher(atOnce = AT_ONCE, maxWaiting = MAX_WAITING): PasswordHasher {
  const waiting: (() => void)[] = [];
  let running = 0;

  const turn = async (): Promise<void> => {
    if (running < atOnce) {
      running += 1;
      return;
    }
    if (waiting.length >= maxWaiting) {
      throw new ChatError('unavailable', 'too many logins at once; try again', { retryAfterS: 1 });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    await turn();
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next)
        next(); // the place goes on to them
      else running -= 1;
    }
  };

  return {
    hash: (password) => inTurn(() => hash(password, OPTIONS)),
    verify: (known, password) => inTurn(() => verify(known, password)),
  };
}
