/** USER_DIRECTORY=contacts: who sees whom, in all documents' listings and lookups of people. */

import t from 'tap';
import { type Body, isError, type Person, startService } from '../helpers/conversations.js';
import { open } from '../helpers/socket.js';
import { until } from '../helpers/wait.js';

/** A node believes for a few seconds which public rooms somebody is in. */
const LONG_MS = 30_000;

const service = await startService(t, { USER_DIRECTORY: 'contacts' });

async function listed(as: Person): Promise<unknown[]> {
  const list = await service.api<Body[]>('GET', '/api/users/', { as });
  if (list.status !== 200) throw new Error(list.text);
  return list.body.map((each) => each.user_id);
}

async function listedInRooms(as: Person, query = ''): Promise<unknown[]> {
  const list = await service.api<Body[]>('GET', `/api/v1/users${query}`, { as });
  if (list.status !== 200) throw new Error(list.text);
  return list.body.map((each) => each.id);
}

async function sees(as: Person, other: Person): Promise<boolean> {
  const answers = [
    await service.api('GET', `/chat/users/${other.id}/status/`, { as }),
    await service.api('GET', `/api/users/${other.id}`, { as }),
    await service.api('GET', `/api/v1/users/${other.id}`, { as }),
    await service.api('GET', `/chat/users/${other.id}/status/`, { as }),
  ];
  const [first] = answers;
  if (answers.some((answer) => answer.status !== first?.status)) throw new Error('the documents disagree');
  return first?.status === 200;
}

t.test('strangers are not shown, in the same words as people who do not exist', async (t) => {
  const [ada, eve] = [await service.person(), await service.person()];
  t.same(await listed(ada), [ada.id], 'oneself only');
  t.same(await listedInRooms(ada), [ada.id]);
  t.equal(await sees(ada, ada), true);
  t.equal(await sees(ada, eve), false);
  for (const id of [eve.id, 'nobody']) {
    const answer = await service.api('GET', `/api/users/${id}`, { as: ada });
    isError(t, answer, 404, id);
    t.same(answer.body, { error: { message: 'user not found', status: 404 } });
  }
});

t.test('who has a conversation with somebody sees them', async (t) => {
  const [ada, grace, eve] = [await service.person(), await service.person(), await service.person()];
  await service.conversation(grace, ada);
  await service.conversation(eve, await service.person());
  t.same(await listed(ada), [ada.id, grace.id], 'oldest first');
  t.same(await listed(grace), [ada.id, grace.id]);
  t.same(await listedInRooms(grace), [ada.id, grace.id]);
  t.same(await listedInRooms(grace, '?limit=1'), [grace.id], 'the newest are kept');
  t.same(await listedInRooms(grace, `?before=${grace.id}`), [ada.id]);
  t.same(await listedInRooms(grace, `?before=${eve.id}`), [], 'before whom one does not see: nobody');
  const few = await service.api<Body[]>('GET', '/api/users/?limit=1', { as: ada });
  t.same(
    few.body.map((each) => each.user_id),
    [grace.id],
  );
  for (const [a, b] of [
    [ada, grace],
    [grace, ada],
  ] as const)
    t.equal(await sees(a, b), true);
  t.equal(await sees(ada, eve), false);
  t.equal(await sees(eve, grace), false);
});

t.test('who is in a public room with somebody sees them: after a message, and while connected', async (t) => {
  const [ada, grace, eve] = [await service.person(), await service.person(), await service.person()];
  const made = await service.api('POST', '/api/v1/rooms', { as: eve, body: { name: 'open' } });
  const room = made.body.id as string;
  const say = (as: Person) =>
    service.api('POST', `/api/v1/rooms/${room}/messages`, {
      as,
      body: { user_id: as.id, content: 'x', type: 'text' },
    });
  t.equal((await say(ada)).status, 200);
  t.equal(await sees(eve, ada), false, 'making a room is not being in it');
  const socket = await open(`${service.next().wsUrl}/api/v1/ws/${room}/${grace.id}`, {
    t,
    headers: { authorization: `Bearer ${grace.token}` },
  });
  await until(
    'both see each other',
    async () => (await sees(ada, grace)) && (await sees(grace, ada)),
    LONG_MS,
  );
  t.same(await listed(grace), [ada.id, grace.id]);
  t.same(await listed(ada), [ada.id, grace.id]);
  await socket.close();
  await until('who said nothing and left is gone', async () => !(await sees(ada, grace)), LONG_MS);
  t.equal((await say(eve)).status, 200);
  await until(
    'after a message one stays',
    async () => (await sees(ada, eve)) && (await sees(eve, ada)),
    LONG_MS,
  );
});

t.test('somebody whose id one knows can be written to', async (t) => {
  const [ada, grace] = [await service.person(), await service.person()];
  t.equal(await sees(ada, grace), false);
  const made = await service.api('POST', '/api/conversations', {
    as: ada,
    body: { participant_id: grace.id },
  });
  t.equal(made.status, 201);
  t.equal(await sees(ada, grace), true);
});
