import { Api } from './api.js';
import { Channel } from './channel.js';
import type { SocketConstructor } from './connection.js';
import { Http } from './http.js';
import { PresenceWatch } from './presence.js';
import { SPEECHES } from './speech/all.js';
import { objectOf } from './speech.js';
import { type DialectName, RefusedError } from './types.js';

export interface ParlanceOptions {
  /** Where the service is: http://host:port. In a browser the page's own origin unless given. */
  readonly url?: string;
  /**
   * The token, or where it comes from. A function is asked before each connection and request; `expired` says that the
   * last one is not accepted any more. Without another one, channels end with `unauthorized`.
   */
  readonly token?: string | ((expired: boolean) => string | undefined | Promise<string | undefined>);
  /** Needed where there is no global one: Node 20. */
  readonly WebSocket?: SocketConstructor;
  readonly fetch?: typeof fetch;
}

/** Browsers say when the network is back; Node.js does not. */
const network = 'addEventListener' in globalThis ? (globalThis as unknown as EventTarget) : undefined;

/**
 * A person's way into Parlance: what the documents offer over HTTP, and channels that stay connected. It works in browsers
 * and in Node.js, and needs nothing else.
 */
export class Parlance {
  readonly url: string;
  readonly api: Api;
  readonly presence: PresenceWatch;
  readonly #options: ParlanceOptions;
  readonly #http: Http;
  readonly #channels = new Set<Channel>();
  readonly #onOnline = () => {
    for (const channel of this.#channels) channel.connect();
  };
  #last: string | undefined;

  constructor(options: ParlanceOptions = {}) {
    this.#options = options;
    const here = (globalThis as { location?: { origin: string } }).location?.origin ?? '';
    this.url = (options.url ?? here).replace(/\/+$/, '');
    // Browsers want it called on nothing else than the window.
    const fetch =
      options.fetch ?? ((...args: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...args));
    this.#http = new Http({ url: this.url, token: () => this.token(), fetch });
    this.api = new Api(this.#http);
    this.presence = new PresenceWatch((user) => this.api.status(user));
    network?.addEventListener('online', this.#onOnline);
  }

  /** The token to use now. */
  async token(expired = false): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === 'function' ? token(expired) : token;
  }

  /**
   * Who the token is for: its `sub`. It is not verified here: that is the service's business.
   * @throws RefusedError when there is no token, or it cannot be read
   */
  async user(): Promise<string> {
    const { sub } = claimsOf((await this.token()) ?? '');
    if (typeof sub !== 'string') throw new RefusedError('the token names no user', 401);
    return sub;
  }

  /**
   * A channel in one of the documents, connecting. `skillarena` and `netrox` carry all direct chats on one; the others
   * want a room.
   * @throws RefusedError without a usable token, a room where one is needed, or a WebSocket
   */
  async open(
    dialect: DialectName,
    room = '',
    options: { since?: string | undefined } = {},
  ): Promise<Channel> {
    const speech = SPEECHES[dialect];
    if (!speech.wide && room === '') throw new RefusedError(`${dialect} has one socket for each room`);
    const channel = new Channel({
      speech,
      room: speech.wide ? '' : room,
      user: await this.user(),
      WebSocket: this.#WebSocket(),
      since: options.since,
      address: (path, expired) => this.#address(path, expired),
      refusal: (probe) => this.#refusal(probe),
    });
    this.#channels.add(channel);
    channel.on('ended', () => this.#channels.delete(channel));
    return channel.connect();
  }

  /** Ends all channels. */
  close(): void {
    network?.removeEventListener('online', this.#onOnline);
    this.presence.close();
    for (const channel of [...this.#channels]) channel.close();
  }

  async #address(path: string, expired: boolean) {
    const token = await this.token(expired);
    if (token === undefined || (expired && token === this.#last)) return undefined;
    this.#last = token;
    // Not in the address: those are logged by whatever stands in between.
    return { url: this.url.replace(/^http/, 'ws') + path, protocols: ['bearer', token] };
  }

  async #refusal(probe: string): Promise<'retry' | 'unauthorized' | 'gone'> {
    try {
      await this.#http.request('GET', probe, { attempts: 1 });
      return 'retry';
    } catch (error) {
      const status = error instanceof RefusedError ? error.status : 0;
      return status === 401 ? 'unauthorized' : status === 404 ? 'gone' : 'retry';
    }
  }

  #WebSocket(): SocketConstructor {
    const found = this.#options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
    if (!found)
      throw new RefusedError('there is no WebSocket here: give one, such as that of the package ws');
    return found;
  }
}

/** The claims of a JWT, unverified; none when it is none. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const [, body = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(body.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    return objectOf(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}
