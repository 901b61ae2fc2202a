import { plainId } from '../ids.js';
import { errorOf, messageOf, objectOf, readCommon, refOf, type Speech } from '../speech.js';
import type { Status } from '../types.js';

/** All direct chats of a user, with receipts that are confirmed, and files. */
export const skillarena: Speech = {
  name: 'skillarena',
  wide: true,
  path: () => '/ws',
  probe: () => '/api/conversations?limit=1',
  message: ({ text, to, attachments = [] }, ref) => ({
    type: 'message',
    data: { receiver_id: to, message: text, ...(attachments.length > 0 ? { attachments } : {}), ref },
  }),
  askCursor: () => ({ type: 'cursor' }),
  report: ({ message, status }, user, ref) => ({
    type: 'receipt_update',
    data: { user_id: user, message_id: message, status, stop: false, ref },
  }),
  confirm: (frame) => ({ ...frame, data: { ...objectOf(frame.data), stop: true } }),
  read(frame) {
    const data = objectOf(frame.data);
    if (frame.type === 'message') {
      const message = skillarenaMessage(data);
      return { kind: 'messages', messages: [message], ref: refOf(data.ref) };
    }
    if (frame.type === 'receipt_update') {
      const status = data.status === 'read' ? 'read' : 'delivered';
      return {
        kind: 'receipt',
        receipt: { message: plainId(data.message_id), by: plainId(data.user_id), status },
        frame,
      };
    }
    if (frame.type === 'error') return errorOf(data.detail, data);
    return readCommon(frame);
  },
};

/** A message as this document's frames and histories have it. */
export function skillarenaMessage(data: Readonly<Record<string, unknown>>) {
  const { message_id: id, sender_id: sender, message: text, created_at: at, attachments, status } = data;
  return messageOf({ id, sender, text, at, attachments, status: status as Status });
}
