/** The core in the test's own process, on the Redis of the nodes: for what no route does. */

import { Messages } from '../../src/core/messages.js';
import type { Attachment, Message } from '../../src/core/model.js';
import { People } from '../../src/core/people.js';
import { Receipts } from '../../src/core/receipts.js';
import { Rooms } from '../../src/core/rooms.js';
import type { RedisTarget } from '../../src/redis/connection.js';
import { RedisSide } from '../../src/redis/side.js';
import type { Owner } from './wait.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What somebody says to somebody, as any dialect may store it. */
export interface Said {
  from: string;
  to: string;
  text: string;
  via: string;
  attachments?: Attachment[];
}

/** The core over the Redis of some nodes. */
export class Core {
  readonly rooms: Rooms;
  readonly people: People;
  readonly messages: Messages;
  readonly receipts: Receipts;
  readonly #redis: RedisSide;

  constructor(t: Owner, target: RedisTarget) {
    const redis = new RedisSide({
      target,
      nodeId: 'test',
      requirements: { durability: 'fast', waitReplicas: 0, waitTimeoutMs: 1_000 },
      keepMessages: 0,
      roomPresenceLimit: 500,
      log: quiet,
      onUnfit: (faults) => {
        throw new Error(faults.join());
      },
    });
    this.#redis = redis;
    this.rooms = new Rooms(redis.rooms);
    this.people = new People(redis.users);
    this.messages = new Messages(redis.log, redis.fanOut, 16_384);
    this.receipts = new Receipts(redis.receipts, (room, offset) => redis.log.readOne(room, offset), []);
    t.teardown(() => this.#redis.close(0));
  }

  /** Stores a message in the direct room of two people. */
  async say({ from, to, ...said }: Said): Promise<Message> {
    const sender = await this.people.believe(from);
    await this.people.believe(to);
    const { room } = await this.rooms.openDirect(from, to);
    return (await this.messages.send({ room, sender, field: 'text', ...said })).message;
  }
}
