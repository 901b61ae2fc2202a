/** Compares what was acknowledged with what every reader got. An id is an address: no log needs to be read for it. */

import { addressOf } from '../stress/ids.mjs';

/**
 * @param {readonly import('./people.mjs').Place[]} places
 * @param {ReadonlyMap<import('../stress/ledger.mjs').Entry, import('./people.mjs').Place>} sentTo
 * @returns {{ lost: number, duplicated: number, reordered: number }}
 */
export function compare(places, sentTo) {
  let [lost, duplicated, reordered] = [0, 0, 0];
  /** What each reader has. @type {Map<import('../stress/client.mjs').Client, Set<number>>} */
  const seen = new Map();
  for (const { room, members } of places) {
    for (const member of members) {
      const { offsets } = member.track(room);
      const has = new Set(offsets);
      seen.set(member, has);
      duplicated += offsets.length - has.size;
      let newest = 0;
      for (const offset of has) {
        if (offset < newest) reordered += 1;
        else newest = offset;
      }
    }
  }
  for (const [{ ackedAt, ackId, from }, { members }] of sentTo) {
    if (ackedAt === 0) continue;
    const { offset } = addressOf(ackId);
    for (const member of members) {
      const drawsItself = member.user === from && !member.speech.echoes;
      if (!drawsItself && !seen.get(member)?.has(offset)) lost += 1;
    }
  }
  return { lost, duplicated, reordered };
}
