import { addressOf, type Message } from '../../client/index.js';
import { type Host, isLooking, wordsOf } from './host.js';
import type { Room } from './room.js';

const PAGE = 50;
/** What is unread is loaded at once, up to so many. */
const MOST = 500;

/** Loads the newest messages of a room, and all that is unread. */
export async function loadNewest(host: Host, room: Room): Promise<void> {
  const unread = room.unread.value;
  const limit = Math.min(MOST, Math.max(PAGE, unread + 10));
  await load(host, room, { limit });
  const others = room.messages.value.filter(({ sender }) => sender !== host.me.id);
  if (unread > 0) room.newFrom.value = others.at(-unread)?.id ?? others[0]?.id;
  if (isLooking()) host.readAll(room);
}

/** Loads what comes before the oldest message that is shown. Nothing happens when it is loading, or when that is all. */
export async function loadOlder(host: Host, room: Room): Promise<void> {
  if (room.history.value !== 'some') return;
  await load(host, room, { limit: PAGE, before: room.messages.value[0]?.id });
}

async function load(
  host: Host,
  room: Room,
  range: { limit: number; before?: string | undefined },
): Promise<void> {
  room.history.value = 'loading';
  try {
    const page = await host.client.api.history(room.conversation.value, range);
    room.take(page);
    room.history.value = page.length < range.limit || page[0]?.offset === 1 ? 'all' : 'some';
    void nameFiles(host, room);
  } catch (error) {
    room.history.value = { fault: wordsOf(error) };
  }
}

/** The document that tells how far a message got does not tell what its files are called: another one does. */
export async function nameFiles(host: Host, room: Room): Promise<void> {
  const nameless = room.messages.value.filter(isNameless);
  const [first] = nameless;
  const last = nameless.at(-1);
  if (!first || !last) return;
  const next = room.messages.value.find(({ offset }) => offset > last.offset);
  const limit = Math.min(1_000, last.offset - first.offset + 1);
  const page = await host.client.api.chatHistory(room.id, { limit, before: next?.id }).catch(() => []);
  room.take(page.filter(({ attachments, id }) => attachments.length > 0 && addressOf(id).room === room.id));
}

function isNameless({ attachments }: Message): boolean {
  return attachments.some(({ name }) => name === undefined);
}
