import { plainId } from '../ids.js';
import { errorOf, type Frame, messageOf, readCommon, type Speech, timeOf } from '../speech.js';

/** All direct chats of a user; the sender's own socket gets an acknowledgement in place of the message. */
export const netrox: Speech = {
  name: 'netrox',
  wide: true,
  path: () => '/ws/chat/room/',
  probe: () => '/api/conversations?limit=1',
  message: ({ text, to }, ref) => ({ action: 'chat_message', message_body: text, receiver_id: to, ref }),
  askCursor: () => ({ action: 'cursor' }),
  report: ({ message, status }, _, ref) =>
    status === 'read' ? { action: 'message_seen', chat_id: message, ref } : undefined,
  read(frame) {
    switch (frame.action) {
      case 're_message':
      case 're_message_file':
        return { kind: 'messages', messages: [liveMessage(frame)] };
      case 'ack':
        return {
          kind: 'ack',
          ref: String(frame.ref),
          id: plainId(frame.created_msg_id),
          at: timeOf(frame.timestamp),
        };
      case 'error':
        return errorOf(frame.message, frame);
      default:
        return readCommon({ ...frame, type: frame.action });
    }
  },
};

function liveMessage(frame: Frame) {
  const { created_msg_id: id, sender_id: sender, message_body: text, timestamp: at } = frame;
  const files = Array.isArray(frame.attachments) ? frame.attachments : [frame];
  const attachments = files.flatMap(({ attached_file, attached_file_url, attached_file_name: name }) => {
    const url = attached_file ?? attached_file_url;
    // A link carries a signature that runs out; what stands before it is the file's reference.
    return typeof url === 'string' ? [{ url: url.split('?')[0], name }] : [];
  });
  return messageOf({ id, sender, text, at, attachments });
}
