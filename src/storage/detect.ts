import { fileTypeFromBuffer } from 'file-type';
import { type DetectedType, UNKNOWN_TYPE } from '../core/media-types.js';

/** What the first bytes of a file say it is; unknown where they say nothing that is known. */
export async function detectType(head: Uint8Array): Promise<DetectedType> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  if (!found) return UNKNOWN_TYPE;
  const contentType = (found.mime.split(';', 1)[0] as string).trim();
  // A key holds nothing but these, whatever a new type is called.
  const extension = /^[a-z0-9]{1,8}$/.test(found.ext) ? found.ext : UNKNOWN_TYPE.extension;
  return { contentType, extension };
}
