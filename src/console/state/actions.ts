import type { Conversation } from '../../client/index.js';
import type { Desk } from './desk.js';
import { upload } from './files.js';
import { loadNewest, nameFiles } from './histories.js';
import { isLooking, wordsOf } from './host.js';
import type { Room, Sending } from './room.js';

const cancels = new Map<string, AbortController>();

/** Turns to a conversation; undefined: to none. */
export function openRoom(desk: Desk, room: Room | undefined): void {
  const before = desk.open.value;
  if (before === room) return;
  if (before) {
    before.newFrom.value = undefined;
    before.notice.value = undefined;
    before.trim();
  }
  desk.open.value = room;
  const hash = room ? `#/${room.id}` : '';
  if (location.hash !== hash) history.pushState(null, '', `${location.pathname}${hash}`);
  if (!room) return;
  // Nothing waits for the history: one can write at once.
  if (room.history.value === 'none' || typeof room.history.value === 'object') void loadNewest(desk, room);
  else if (isLooking()) desk.readAll(room);
  // Who has looked into a public room is in it, though nothing was said there yet.
  desk.seen.note(room.id, room.messages.value.at(-1) ?? { offset: 0 });
}

/** Turns to the conversation that the address names. */
export function followAddress(desk: Desk): void {
  const id = /^#\/(\d+)$/.exec(location.hash)?.[1];
  openRoom(desk, id === undefined ? undefined : desk.rooms.value.get(id));
}

export function openConversation(desk: Desk, conversation: Conversation): void {
  openRoom(desk, desk.put(conversation));
}

/** @throws RefusedError */
export async function startDirect(desk: Desk, user: string): Promise<void> {
  openConversation(desk, await desk.client.api.startDirect(user, desk.me.id));
}

/** @throws RefusedError: there is no agent here, say */
export async function startAgent(desk: Desk): Promise<void> {
  openConversation(desk, await desk.client.api.startAgent(desk.me.id));
}

/** @throws RefusedError */
export async function createRoom(desk: Desk, name: string): Promise<void> {
  openConversation(desk, await desk.client.api.createRoom(name));
}

/** Sends a message, with files where there are any. What becomes of it is seen in the room. */
export function send(desk: Desk, room: Room, text: string, files: readonly File[]): void {
  const key = crypto.randomUUID();
  const one: Sending = {
    key,
    text,
    files,
    at: Date.now(),
    progress: 0,
    fault: undefined,
    attachments: files.length > 0 ? undefined : [],
  };
  room.sending.value = [...room.sending.value, one];
  room.newFrom.value = undefined;
  void deliver(desk, room, key);
}

/** Tries again what was not taken, with the same key. */
export function retry(desk: Desk, room: Room, key: string): void {
  room.setSending(key, { fault: undefined });
  void deliver(desk, room, key);
}

/** Gives up a message that was not taken, or the upload of its files. */
export function discard(room: Room, key: string): void {
  cancels.get(key)?.abort();
  room.dropSending(key);
}

async function deliver(desk: Desk, room: Room, key: string): Promise<void> {
  const one = room.sending.value.find((sending) => sending.key === key);
  if (!one) return;
  const to = room.conversation.value.other;
  try {
    const attachments = one.attachments ?? (await uploadOf(desk, room, one, to ?? ''));
    room.setSending(key, { attachments });
    // Files belong to the document that has them in its frames.
    const channel = attachments.length > 0 ? desk.main.value : await desk.talks.channelFor(room);
    if (!channel) return;
    const message = await channel.send({ text: one.text, to, attachments }, key);
    room.take([message]);
    room.dropSending(key);
    desk.seen.note(room.id, message);
    if (attachments.length > 0) void nameFiles(desk, room);
  } catch (error) {
    room.setSending(key, { fault: wordsOf(error) });
  }
}

async function uploadOf(desk: Desk, room: Room, { key, files }: Sending, to: string): Promise<string[]> {
  const cancel = new AbortController();
  cancels.set(key, cancel);
  try {
    const onProgress = (progress: number) => room.setSending(key, { progress });
    return await upload(desk.client, to, files, onProgress, cancel.signal);
  } finally {
    cancels.delete(key);
  }
}
