import { createHash } from 'node:crypto';
import calculateSlot from 'cluster-key-slot';
import fc from 'fast-check';
import t from 'tap';
import { isWellFormed } from '../../src/core/ids.js';
import {
  channels,
  decodeId,
  encodeId,
  keys,
  PARTITION_TAGS,
  PARTITIONS,
  partitionSlot,
  roomPartition,
  userPartition,
} from '../../src/redis/keys.js';

/** Ids made of what separates the parts of a name, so that a collision has every chance. */
const tricky = fc
  .array(fc.constantFrom(':', '|', '{', '}', '%', 'a', 'b', '3A', 'room', 'é', ' ', '%3A'), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join(''));
const id = fc.oneof(tricky, fc.string({ minLength: 1, unit: 'grapheme' }).filter(isWellFormed));
const room = fc.integer({ min: 1, max: 100_000 });
const runs = { numRuns: 3_000 };

/** Every name that is made of ids, from the ids it is made of. */
const NAMES: Record<string, (room: number, a: string, b: string) => { name: string; from: unknown[] }> = {
  sent: (r, a, b) => ({ name: keys.sent(r, a, b), from: [r, a, b] }),
  readRanges: (r, a) => ({ name: keys.readRanges(r, a), from: [r, a] }),
  deliveredRanges: (r, a) => ({ name: keys.deliveredRanges(r, a), from: [r, a] }),
  direct: (_, a, b) => ({ name: keys.direct(a, b), from: [a, b].sort() }),
  user: (_, a) => ({ name: keys.user(a), from: [a] }),
  userOnline: (_, a) => ({ name: keys.userOnline(a), from: [a] }),
  userRooms: (_, a) => ({ name: keys.userRooms(a), from: [a] }),
  userReceipts: (_, a) => ({ name: keys.userReceipts(a), from: [a] }),
  userChannel: (_, a) => ({ name: channels.user(a), from: [a] }),
  nodeEntries: (r, a) => ({ name: keys.nodeEntries(roomPartition(r), a), from: [roomPartition(r), a] }),
  eviction: (_, a) => ({ name: keys.eviction(a), from: [a] }),
  probe: (r, a) => ({ name: channels.probe(roomPartition(r), a), from: [roomPartition(r), a] }),
  room: (r) => ({ name: keys.room(r), from: [r] }),
  log: (r) => ({ name: keys.log(r), from: [r] }),
  members: (r) => ({ name: keys.members(r), from: [r] }),
  read: (r) => ({ name: keys.read(r), from: [r] }),
  delivered: (r) => ({ name: keys.delivered(r), from: [r] }),
  here: (r) => ({ name: keys.here(r), from: [r] }),
  roomChannel: (r) => ({ name: channels.room(r), from: [r] }),
};

t.test('two names are the same only when they are of the same kind and the same ids', async () => {
  const kind = fc.constantFrom(...Object.keys(NAMES));
  fc.assert(
    fc.property(kind, kind, room, room, id, id, id, id, (one, other, r, s, a, b, c, d) => {
      const x = NAMES[one]?.(r, a, b);
      const y = NAMES[other]?.(s, c, d);
      return (x?.name === y?.name) === (one === other && JSON.stringify(x?.from) === JSON.stringify(y?.from));
    }),
    { ...runs, numRuns: 20_000 },
  );
});

t.test('ids that are glued together differently never meet', async (t) => {
  t.not(keys.sent(1, 'x:y', 'z'), keys.sent(1, 'x', 'y:z'));
  t.not(keys.direct('x:y', 'z'), keys.direct('x', 'y:z'));
  t.equal(keys.direct('a', 'b'), keys.direct('b', 'a'), 'a pair has no order');
  t.not(keys.user('1:rooms'), keys.userRooms('1'));
  t.not(keys.user('a%3Ab'), keys.user('a:b'));
  fc.assert(
    fc.property(tricky, tricky, tricky, tricky, (a, b, c, d) => {
      if (a === c && b === d) return true;
      return keys.sent(1, a, b) !== keys.sent(1, c, d);
    }),
    { numRuns: 10_000 },
  );
});

t.test('an id inside a name comes back as it was, and brings no hash tag of its own', async () => {
  fc.assert(
    fc.property(id, (text) => {
      const encoded = encodeId(text);
      return (
        decodeId(encoded) === text &&
        !/[:|{}\s]/.test(encoded) &&
        channels.userOf(channels.user(text)) === text
      );
    }),
    runs,
  );
});

t.test('channels tell whose they are', async (t) => {
  fc.assert(
    fc.property(
      room,
      (r) => channels.roomOf(channels.room(r)) === r && channels.userOf(channels.room(r)) === undefined,
    ),
    runs,
  );
  fc.assert(
    fc.property(id, (a) => channels.roomOf(channels.user(a)) === undefined),
    runs,
  );
  t.equal(channels.roomOf(channels.probe(3, 'node:room:7:events')), undefined);
});

t.test('everything of a room is in one slot, and so is everything of a user', async () => {
  fc.assert(
    fc.property(room, id, id, (r, a, b) => {
      const ofRoom = [
        keys.room(r),
        keys.log(r),
        keys.members(r),
        keys.read(r),
        keys.delivered(r),
        keys.here(r),
      ];
      const more = [
        keys.readRanges(r, a),
        keys.deliveredRanges(r, a),
        keys.sent(r, a, b),
        keys.recent(roomPartition(r)),
        keys.nodeEntries(roomPartition(r), a),
        channels.room(r),
      ];
      const ofUser = [
        keys.user(a),
        keys.userRooms(a),
        keys.userOnline(a),
        keys.userReceipts(a),
        channels.user(a),
        keys.nodeEntries(userPartition(a), b),
      ];
      const inSlot = (slot: number) => (name: string) => calculateSlot(name) === slot;
      return (
        [...ofRoom, ...more].every(inSlot(partitionSlot(roomPartition(r)))) &&
        ofUser.every(inSlot(partitionSlot(userPartition(a))))
      );
    }),
    runs,
  );
});

t.test('partitions', async (t) => {
  t.test('spread evenly over the slots, whatever the number of primaries', async (t) => {
    const slots = PARTITION_TAGS.map((_, partition) => partitionSlot(partition));
    t.equal(new Set(PARTITION_TAGS).size, PARTITIONS);
    t.strictSame(
      slots.map((slot) => Math.floor(slot / (16_384 / PARTITIONS))).sort((a, b) => a - b),
      slots.map((_, i) => i),
      'one in each share of the slots',
    );
    const first = [1, 2, 3, 4, 5, 6].map((room) =>
      Math.floor((partitionSlot(roomPartition(room)) * 3) / 16_384),
    );
    t.equal(new Set(first).size, 3, 'a small installation uses all three primaries too');
    for (const primaries of [2, 3, 4, 5, 6, 8, 12, 16, 32]) {
      const counts = new Array<number>(primaries).fill(0);
      for (const slot of slots) {
        const at = Math.floor((slot * primaries) / 16_384);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      const [least, most] = [Math.min(...counts), Math.max(...counts)];
      t.ok(most - least <= 2, `${primaries} primaries: ${least} to ${most} each`);
    }
  });

  t.test('rooms and users spread over them', async (t) => {
    const count = (of: (n: number) => number) => {
      const counts = new Array<number>(PARTITIONS).fill(0);
      for (let n = 1; n <= 25_600; n += 1) counts[of(n)] = (counts[of(n)] ?? 0) + 1;
      return counts;
    };
    t.strictSame(new Set(count(roomPartition)), new Set([100]));
    const users = count((n) => userPartition(String(n)));
    t.ok(
      Math.min(...users) > 40 && Math.max(...users) < 200,
      `${Math.min(...users)} to ${Math.max(...users)} of 100 users`,
    );
  });

  t.test('never change: they name data at rest', async (t) => {
    const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
    const users = ['1', '2', 'ann', 'x:y', 'é', '5f0c2d1e-0000-4000-8000-000000000000'];
    t.equal(PARTITIONS, 256);
    t.equal(hash(PARTITION_TAGS.join()), '5bbbedd62cb887d3');
    t.equal(hash(users.map(userPartition).join()), 'e0d1ed92f5424947');
    t.equal(
      hash(
        Object.keys(NAMES)
          .sort()
          .map((name) => NAMES[name]?.(7, 'x:y', 'z').name)
          .join(),
      ),
      'a1093697b7c2f6ed',
    );
  });
});
