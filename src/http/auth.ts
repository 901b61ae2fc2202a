import type { FastifyRequest } from 'fastify';
import { ChatError } from '../core/errors.js';
import type { Identity } from '../core/identity.js';
import type { People } from '../core/people.js';
import type { Presence } from '../core/ports.js';
import { bearerFrom, type TokenVerifier } from './tokens.js';

/** Who a request comes from. Each request's token is verified once, whoever asks. */
export class Authenticator {
  readonly #verifier: TokenVerifier;
  readonly #people: People;
  readonly #presence: Presence;
  readonly #verified = new WeakMap<FastifyRequest, Promise<Identity>>();

  constructor(verifier: TokenVerifier, people: People, presence: Presence) {
    this.#verifier = verifier;
    this.#people = people;
    this.#presence = presence;
  }

  /**
   * The bearer of the request's token, whom the core knows from now on.
   * @throws ChatError unauthorized without a valid token, unavailable when that cannot be told
   */
  async authenticate(request: FastifyRequest): Promise<Identity> {
    const identity = await this.#verify(request);
    await this.#signIn(identity, request);
    return identity;
  }

  /**
   * The same, undefined when the request has no valid token.
   * @throws ChatError unavailable
   */
  async identify(request: FastifyRequest): Promise<Identity | undefined> {
    const identity = await this.peek(request);
    if (identity) await this.#signIn(identity, request);
    return identity;
  }

  /**
   * Whose token the request carries, without telling the core.
   * @throws ChatError unavailable
   */
  async peek(request: FastifyRequest): Promise<Identity | undefined> {
    try {
      return await this.#verify(request);
    } catch (error) {
      if (error instanceof ChatError && error.code === 'unauthorized') return undefined;
      throw error;
    }
  }

  async #signIn(identity: Identity, request: FastifyRequest): Promise<void> {
    await this.#people.signIn(identity);
    // A socket says more: that its user is here.
    if (!request.ws) this.#presence.touch(identity.user);
  }

  #verify(request: FastifyRequest): Promise<Identity> {
    let identity = this.#verified.get(request);
    if (!identity) {
      const token = tokenOf(request);
      identity = token === undefined ? Promise.reject(noToken()) : this.#verifier.verify(token);
      this.#verified.set(request, identity);
    }
    return identity;
  }
}

// A token in the path, the query or the subprotocol is for sockets, whose clients often cannot set headers.
function tokenOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (!request.ws) return bearerFrom({ authorization });
  const { token } = request.params as { token?: string };
  if (token !== undefined) return token;
  return bearerFrom({
    authorization,
    queryToken: (request.query as { token?: unknown }).token,
    subprotocols: request.headers['sec-websocket-protocol'],
  });
}

function noToken(): ChatError {
  return new ChatError('unauthorized', 'authentication credentials were not provided');
}
