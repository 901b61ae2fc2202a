import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Accounts } from '../../core/accounts.js';
import type { Profile } from '../../core/model.js';
import type { DialectContext } from '../dialect.js';
import { userBody } from './encode.js';

const LoginBody = Type.Object({ email: Type.String(), password: Type.String() });
const RegisterBody = Type.Object({
  email: Type.String(),
  password: Type.String(),
  name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});

/** Registering and logging in. */
export function registerAccounts(scope: FastifyInstance, context: DialectContext, accounts: Accounts): void {
  scope.post<{ Body: Static<typeof RegisterBody> }>(
    '/api/auth/register',
    { schema: { body: RegisterBody } },
    async (request, reply) => {
      const profile = await accounts.register(request.body);
      context.presence.touch(profile.id);
      return reply.code(201).send(await signedIn(profile, context));
    },
  );

  scope.post<{ Body: Static<typeof LoginBody> }>(
    '/api/auth/login',
    { schema: { body: LoginBody } },
    async (request) => {
      const profile = await accounts.login(request.body, request.ip);
      context.presence.touch(profile.id);
      return signedIn(profile, context);
    },
  );
}

async function signedIn(profile: Profile, context: DialectContext) {
  const { user_id, email, name } = userBody(profile);
  const claims = {
    ...(profile.email === null ? {} : { email: profile.email }),
    ...(profile.name === null ? {} : { name: profile.name }),
  };
  return { user_id, email, name, token: await context.mintToken(profile.id, claims) };
}
