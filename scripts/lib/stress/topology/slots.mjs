/** Slots of a Redis Cluster: who serves them, and moving one with all of its keys while it is in use. */

const KEYS_AT_ONCE = 20;
const MIGRATE_MS = 5_000;

/**
 * @typedef {object} Asked a server that can be asked
 * @property {number} port
 * @property {(command: string, ...words: (string | number)[]) => Promise<any>} ask
 */

/**
 * The lines of CLUSTER NODES: `id host:port@bus flags primary ping pong epoch link slot slot-slot ...`.
 * @param {string} text
 */
export function parseNodes(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [id = '', address = '', flags = '', , , , , , ...slots] = line.trim().split(' ');
    const failed = flags.split(',').includes('fail') || flags.includes('fail?');
    return {
      id,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      failed,
      serving: flags.includes('master') && !flags.split(',').includes('fail') && slots.length > 0,
    };
  });
}

/**
 * Moves a slot with its keys, as `redis-cli --cluster reshard` does.
 * @param {{ slot: number, from: Asked, to: Asked, all: readonly Asked[] }} move `all`: every primary
 * @returns {Promise<number>} how many keys it held
 */
export async function moveSlot({ slot, from, to, all }) {
  const [fromId, toId] = await Promise.all([from.ask('CLUSTER', 'MYID'), to.ask('CLUSTER', 'MYID')]);
  await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  let moved = 0;
  for (;;) {
    const keys = /** @type {string[]} */ (await from.ask('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE));
    if (keys.length === 0) break;
    await from.ask('MIGRATE', '127.0.0.1', to.port, '', 0, MIGRATE_MS, 'KEYS', ...keys);
    moved += keys.length;
  }
  // The new owner first: should this end half-way, nobody serves the slot twice.
  await to.ask('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  await from.ask('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  for (const other of all) {
    if (other !== from && other !== to) await other.ask('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  }
  return moved;
}
