import { randomBytes } from 'node:crypto';
import { RedisAccounts, RedisAttempts } from './accounts.js';
import { Appender } from './appender.js';
import { type Capabilities, confirmation, inspect, type Requirements } from './checks.js';
import {
  type Client,
  connect,
  connectWaiting,
  disconnect,
  type Log,
  type RedisTarget,
} from './connection.js';
import { RedisContacts } from './contacts.js';
import { RedisCursors } from './cursors.js';
import { RedisFanOut } from './fanout.js';
import { RedisFiles } from './files.js';
import { RedisAgentJobs } from './jobs.js';
import { RedisLog } from './log.js';
import { RedisPresence } from './presence.js';
import { RedisReceipts } from './receipts.js';
import { RedisRooms } from './rooms.js';
import { RedisTickets } from './tickets.js';
import { RedisUsers } from './users.js';
import { DurableWrites, plainWrites } from './writes.js';

/** How often a Redis that does not answer is asked again what it is, in ms. */
const INSPECT_RETRY_MS = 1_000;

export interface RedisSideOptions {
  readonly target: RedisTarget;
  readonly nodeId: string;
  readonly requirements: Requirements & { waitTimeoutMs: number };
  /** Most messages a log keeps; 0: all. */
  readonly keepMessages: number;
  readonly roomPresenceLimit: number;
  readonly log: Log;
  /** Redis turned out not to be fit for what the configuration promises. */
  readonly onUnfit: (faults: readonly string[]) => void;
}

/**
 * Everything of a node that is in Redis, and what works over its connections: three of them, one more where an agent
 * answers, and one to each primary where writes are waited for.
 */
export class RedisSide {
  readonly commands: Client;
  readonly log: RedisLog;
  readonly fanOut: RedisFanOut;
  readonly presence: RedisPresence;
  readonly rooms: RedisRooms;
  readonly users: RedisUsers;
  readonly accounts: RedisAccounts;
  readonly attempts: RedisAttempts;
  readonly contacts: RedisContacts;
  readonly tickets: RedisTickets;
  readonly receipts: RedisReceipts;
  readonly cursors: RedisCursors;
  readonly files: RedisFiles;
  readonly agentJobs: RedisAgentJobs;
  readonly #options: RedisSideOptions;
  readonly #appender: Appender;
  /** Undefined where nothing is waited for. */
  readonly #durable: DurableWrites | undefined;
  #capabilities: Capabilities | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: RedisSideOptions) {
    const { target, nodeId, log, requirements } = options;
    this.#options = options;
    // Fencing finds this process's own connections by name: nobody else may have it.
    const name = `parlance-${nodeId}-${randomBytes(6).toString('hex')}`;
    this.commands = connect(target, 'commands', `${name}-commands`, log);
    const listen = () => connect(target, 'subscriptions', `${name}-subscriptions`, log);
    const confirm = confirmation(requirements, () => this.#capabilities);
    const client = this.commands;
    const wait = (address: string) => connectWaiting(client, target, { address, name: `${name}-waits`, log });
    this.#durable = confirm && new DurableWrites({ client, connect: wait, confirm });
    const writes = this.#durable ?? plainWrites(client);
    this.rooms = new RedisRooms(client, writes);
    this.#appender = new Appender(connect(target, 'appends', `${name}-appends`, log), `${name}-appends`, {
      keepMessages: options.keepMessages,
      confirm,
      onMissing: (room) => this.rooms.forget(room),
      log,
    });
    this.log = new RedisLog(this.commands, this.#appender);
    this.fanOut = new RedisFanOut(this.commands, listen, name, log);
    this.presence = new RedisPresence(this.commands, nodeId, options.roomPresenceLimit, log);
    this.users = new RedisUsers(this.commands);
    this.fanOut.onProfile = (user) => this.users.forget(user);
    this.accounts = new RedisAccounts(client, this.users, writes);
    this.attempts = new RedisAttempts(this.commands);
    this.contacts = new RedisContacts(this.commands, this.rooms);
    this.tickets = new RedisTickets(this.commands);
    this.receipts = new RedisReceipts(client, writes);
    this.cursors = new RedisCursors(this.commands);
    this.files = new RedisFiles(client, writes);
    this.agentJobs = new RedisAgentJobs(
      this.commands,
      () => connect(target, 'commands', `${name}-jobs`, log),
      nodeId,
    );
  }

  /** Starts what runs by itself. Looks at Redis as soon as it answers, and says so when it is not fit. */
  start(handler: Parameters<RedisFanOut['start']>[0]): void {
    this.fanOut.start(handler);
    this.presence.start();
    void this.#inspect();
  }

  /** Ends it: what is under way first, then the lease (`leaseMs` from now), then the connections. Never throws. */
  async close(leaseMs: number): Promise<void> {
    clearTimeout(this.#retry);
    await Promise.all([this.#appender.close(), this.#durable?.close()]);
    await this.fanOut.close();
    await this.presence.close(leaseMs);
    await this.agentJobs.close();
    await disconnect(this.commands);
  }

  async #inspect(): Promise<void> {
    try {
      this.#capabilities = await inspect(this.commands, this.#options.requirements);
      const { version, faults } = this.#capabilities;
      this.#options.log.info({ version }, 'Redis');
      if (faults.length > 0) this.#options.onUnfit(faults);
    } catch {
      this.#retry = setTimeout(() => void this.#inspect(), INSPECT_RETRY_MS);
    }
  }
}
