import type { FastifyInstance } from 'fastify';
import type { Accounts } from '../../core/accounts.js';
import type { Profile } from '../../core/model.js';
import type { DialectContext } from '../dialect.js';
import { type LoginBody, type RegisterBody, routes } from './api.js';
import { userBody } from './encode.js';

/** Registering and logging in. */
export function registerAccounts(scope: FastifyInstance, context: DialectContext, accounts: Accounts): void {
  scope.post<{ Body: RegisterBody }>('/api/auth/register', routes.register, async (request, reply) => {
    const profile = await accounts.register(request.body);
    context.presence.touch(profile.id);
    return reply.code(201).send(await signedIn(profile, context));
  });

  scope.post<{ Body: LoginBody }>('/api/auth/login', routes.login, async (request) => {
    const profile = await accounts.login(request.body, request.ip);
    context.presence.touch(profile.id);
    return signedIn(profile, context);
  });
}

async function signedIn(profile: Profile, context: DialectContext) {
  const { user_id, email, name } = userBody(profile);
  const claims = {
    ...(profile.email === null ? {} : { email: profile.email }),
    ...(profile.name === null ? {} : { name: profile.name }),
  };
  return { user_id, email, name, token: await context.mintToken(profile.id, claims) };
}
