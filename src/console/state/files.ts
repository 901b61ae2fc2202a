import { type Parlance, RefusedError, refusalOf } from '../../client/index.js';

/** Addresses are good for 15 minutes; they are asked for anew before that, in ms. */
const GOOD_MS = 10 * 60_000;

/** Addresses of files, asked for together and kept for a while. */
export class Addresses {
  readonly #client: Parlance;
  readonly #known = new Map<string, { address: Promise<string>; until: number }>();
  #wanted = new Map<string, { resolve: (address: string) => void; reject: (error: unknown) => void }>();

  constructor(client: Parlance) {
    this.#client = client;
  }

  /** @throws RefusedError */
  of(file: string): Promise<string> {
    const known = this.#known.get(file);
    if (known && known.until > Date.now()) return known.address;
    const address = new Promise<string>((resolve, reject) => {
      if (this.#wanted.size === 0) setTimeout(() => void this.#ask(), 10);
      this.#wanted.set(file, { resolve, reject });
    });
    this.#known.set(file, { address, until: Date.now() + GOOD_MS });
    address.catch(() => this.#known.delete(file));
    return address;
  }

  /** The address of a file did not work: the next one is new. */
  forget(file: string): void {
    this.#known.delete(file);
  }

  async #ask(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    try {
      const found = await this.#client.api.addresses([...wanted.keys()]);
      for (const [file, { resolve, reject }] of wanted) {
        const address = found.get(file);
        if (address === undefined) reject(new RefusedError('there is no such file'));
        else resolve(address);
      }
    } catch (error) {
      for (const { reject } of wanted.values()) reject(error);
    }
  }
}

/**
 * Uploads files to the chat with `other`. XMLHttpRequest, because fetch tells nothing of how far an upload is.
 * @param onProgress how much is sent, from 0 to 1
 * @returns the references of the files
 * @throws RefusedError
 */
export async function upload(
  client: Parlance,
  other: string,
  files: readonly File[],
  onProgress: (part: number) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const token = await client.token();
  const form = new FormData();
  form.append('other_user_id', other);
  for (const file of files) form.append('files', file, file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${client.url}/upload_files`);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      const { status, responseText } = request;
      if (status !== 200) reject(refusalOf(status, responseText, request.getResponseHeader('retry-after')));
      else resolve((JSON.parse(responseText) as Uploaded).files.map(({ file_url }) => file_url));
    };
    request.onerror = () => reject(new RefusedError('the connection was lost'));
    request.onabort = () => reject(new RefusedError('cancelled'));
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

interface Uploaded {
  readonly files: readonly { readonly file_url: string }[];
}

const PICTURES = /\.(png|apng|jpe?g|gif|webp|avif|bmp)$/i;

/** Whether a browser can show it as a picture, as far as its type or name tell. */
export function isPicture({ url, contentType }: { url: string; contentType: string | undefined }): boolean {
  return contentType === undefined
    ? PICTURES.test(url)
    : /^image\/(png|apng|jpeg|gif|webp|avif|bmp)$/.test(contentType);
}
