import { randomBytes } from 'node:crypto';
import type { Grant, Tickets } from '../core/ports.js';
import { type Client, guard } from './connection.js';
import { keys } from './keys.js';

const TTL_S = 30;
const TICKET_BYTES = 32;
const TICKET = /^[A-Za-z0-9_-]{43}$/;

/** Tickets as strings that expire. Taking one deletes it: it opens one socket, on whichever node. */
export class RedisTickets implements Tickets {
  readonly #client: Client;

  /** `client`: with role `commands`. */
  constructor(client: Client) {
    this.#client = client;
  }

  async issue(grant: Grant): Promise<string> {
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    await guard(this.#client.set(keys.ticket(ticket), JSON.stringify(grant), 'EX', TTL_S));
    return ticket;
  }

  async redeem(ticket: string): Promise<Grant | undefined> {
    if (!TICKET.test(ticket)) return undefined;
    const grant = await guard(this.#client.getdel(keys.ticket(ticket)));
    return grant === null ? undefined : (JSON.parse(grant) as Grant);
  }
}
