/** The skillarena document over HTTP: both histories, field by field, through two nodes. */

import t from 'tap';
import { foldMessageId, formatUuid } from '../../src/core/ids.js';
import { type RequestOptions, request } from '../helpers/http.js';
import {
  CHAT_KEYS,
  type ChatMessage,
  DECIMAL,
  heard,
  isError,
  MESSAGE_KEYS,
  MILLISECONDS,
  receipt,
  says,
  startPair,
  taken,
} from '../helpers/skillarena.js';
import { mintToken } from '../helpers/token.js';

const pair = await startPair(t);

t.test('a history: the messages of both, oldest first, each with its present status', async (t) => {
  await pair.meet('h-ann', 'h-bob', 'h-cy');
  const ann = await pair.join('h-ann', { t });
  const bob = await pair.join('h-bob', { t });
  const first = await pair.say(ann, 'h-bob', 'one');
  const second = await pair.say(bob, 'h-ann', 'two');
  const third = await pair.say(ann, 'h-bob', 'three');
  const elsewhere = await pair.say(ann, 'h-cy', 'not here');

  const seen = await pair.history('h-ann', 'h-bob');
  t.same(seen, [first, second, third], 'as they came live');
  for (const message of seen) {
    t.same(Object.keys(message).sort(), MESSAGE_KEYS);
    t.match(message.created_at, MILLISECONDS);
    t.match(message.message_id, DECIMAL);
    t.match(message.chat_id, DECIMAL);
  }
  t.match(first, {
    sender_id: 'h-ann',
    receiver_id: 'h-bob',
    status: 'sent',
    message: 'one',
    attachments: [],
  });
  t.match(second, { sender_id: 'h-bob', receiver_id: 'h-ann' });
  t.equal(new Set(seen.map(({ chat_id }) => chat_id)).size, 1);
  t.not(elsewhere.chat_id, first.chat_id, 'another person is another chat');
  t.same(await pair.history('h-bob', 'h-ann'), seen, 'the same from the other end and the other node');
  t.ok(Date.parse(first.created_at) <= Date.parse(third.created_at));

  // Out of order, so that it is each message's own status that is shown.
  bob.send(receipt(third, 'read'));
  bob.send(receipt(first, 'delivered'));
  await taken(bob);
  for (const [viewer, other] of [
    ['h-ann', 'h-bob'],
    ['h-bob', 'h-ann'],
  ] as const) {
    const status = (await pair.history(viewer, other)).map((message) => message.status);
    t.same(status, ['delivered', 'sent', 'read'], viewer);
  }
});

t.test('a history: unknown people, no chat yet, oneself', async (t) => {
  await pair.meet('n-ann', 'n-bob', 'n-cy');
  for (const path of ['/chat_history/n-bob', '/chat_history/n-bob/', '/chat_history/n-bob?limit=5']) {
    const none = await pair.get('n-ann', path);
    t.same([none.status, none.body], [200, []], path);
  }
  isError(t, await pair.get('n-ann', '/chat_history/n-nobody'), 404, 'nobody');
  isError(t, await pair.get('n-ann', `/chat_history/${'x'.repeat(300)}`), 404, 'no user id at all');
  isError(t, await pair.get('n-ann', '/chat_history/n-ann'), 400, 'oneself');
  isError(t, await pair.get('n-ann', '/chat_history/n-bob/more'), 404, 'below');
  t.same(await pair.chats('n-ann'), [], 'asking makes no chat');

  const ann = await pair.join('n-ann', { t });
  await pair.say(ann, 'n-bob', 'between us');
  t.same(await pair.history('n-cy', 'n-bob'), [], 'a third person has a chat of their own');
  t.same(await pair.history('n-cy', 'n-ann'), []);
  t.same(await pair.chats('n-cy'), []);
});

t.test('a person is found by an id as any document writes it', async (t) => {
  const odd = 'odd:x|y/z é😀%2F';
  await pair.meet('7', odd, 'id-ann');
  const ann = await pair.join('id-ann', { t });
  const seven = await pair.say(ann, '7', 'to seven');
  t.equal(seven.receiver_id, '7');
  ann.send(says(7, 'by number'));
  ann.send(says(formatUuid('user', 7), 'by uuid'));
  const byUuid = await heard(ann, 'by uuid');
  t.match(byUuid, { receiver_id: '7', chat_id: seven.chat_id }, 'written as it is');
  t.equal((await pair.history('id-ann', formatUuid('user', 7))).length, 3);
  t.equal((await pair.history('7', 'id-ann')).length, 3);
  const strange = await pair.say(ann, odd, 'to an odd one');
  t.same(await pair.history('id-ann', odd), [strange]);
  t.same(await pair.history(odd, 'id-ann'), [strange]);
});

t.test('limit, before and after narrow a history', async (t) => {
  await pair.meet('l-ann', 'l-bob', 'l-cy');
  const ann = await pair.join('l-ann', { t });
  const sent: ChatMessage[] = [];
  for (let i = 1; i <= 12; i += 1) sent.push(await pair.say(ann, i === 6 ? 'l-cy' : 'l-bob', `m${i}`));
  const [foreign] = sent.splice(5, 1) as [ChatMessage];
  const id = (n: number): string => (sent[n - 1] as ChatMessage).message_id;
  const shown = (query: string) => pair.history('l-bob', 'l-ann', query);
  t.same(await shown(''), sent, 'all of them');
  t.same(await shown('?limit=1000'), sent);
  t.same(await shown('?limit=3'), sent.slice(8), 'the newest are kept');
  t.same(await shown(`?before=${id(4)}`), sent.slice(0, 3));
  t.same(await shown(`?before=${id(9)}&limit=2`), sent.slice(6, 8));
  t.same(await shown(`?after=${id(9)}`), sent.slice(9));
  t.same(await shown(`?after=${id(2)}&limit=2`), sent.slice(2, 4));
  t.same(await shown(`?after=${id(2)}&before=${id(5)}`), sent.slice(2, 4));
  t.same(await shown(`?after=${formatUuid('message', Number(id(10)))}`), sent.slice(10));
  const bad = ['limit=0', 'limit=1001', 'limit=x', 'limit=', 'before=x', 'after=-1', 'limit=1&limit=2'];
  for (const query of [...bad, `before=${foreign.message_id}`]) {
    isError(t, await pair.get('l-bob', `/chat_history/l-ann?${query}`), 400, query);
    isError(t, await pair.get('l-bob', `/chat_history/l-cy?${query}`), 400, `${query} where no chat is`);
  }
  isError(t, await pair.get('l-bob', `/chat_history/l-cy?before=${foldMessageId(0, 1)}`), 400, 'room 0');
});

t.test('a long history is all there', async (t) => {
  await pair.meet('long-ann', 'long-bob');
  const ann = await pair.join('long-ann', { t });
  for (let i = 0; i < 1_203; i += 1) ann.send(says('long-bob', `m${i}`));
  await heard(ann, 'm1202');
  const seen = await pair.history('long-bob', 'long-ann');
  t.same(
    seen.map(({ message }) => message),
    Array.from({ length: 1_203 }, (_, i) => `m${i}`),
  );
});

t.test('the list of chats: field by field, most recently active first', async (t) => {
  const claims = { given_name: 'Bob', family_name: 'Stone', picture: 'https://x.test/b.png', name: 'B' };
  await pair.get('c-bob', '/chat_history', { token: await mintToken({ sub: 'c-bob', ...claims }) });
  await pair.meet('c-ann', 'c-cy', 'c-dee');
  const ann = await pair.join('c-ann', { t });
  const bob = await pair.join('c-bob', { t });
  const toBob = await pair.say(ann, 'c-bob', 'hello bob');
  await pair.say(ann, 'c-cy', 'hello cy');
  await pair.say(ann, 'c-dee', 'hello dee');
  const order = async () => (await pair.chats('c-ann')).map(({ other_user_id }) => other_user_id);
  t.same(await order(), ['c-dee', 'c-cy', 'c-bob']);
  const one = await pair.say(bob, 'c-ann', 'back');
  const two = await pair.say(bob, 'c-ann', 'again');
  t.same(await order(), ['c-bob', 'c-dee', 'c-cy'], 'a message from the other end moves it up');

  const [chat] = await pair.chats('c-ann');
  t.same(Object.keys(chat as object).sort(), CHAT_KEYS);
  t.same(chat?.user, { first_name: 'Bob', last_name: 'Stone', photo: 'https://x.test/b.png' });
  t.same(chat?.last_message, two);
  t.equal(chat?.unread_count, 2);
  t.equal(chat?.chat_id, toBob.chat_id);
  t.match(chat?.created_at, MILLISECONDS);
  t.ok(Date.parse(chat?.created_at as string) <= Date.parse(toBob.created_at));
  const [mirrored] = await pair.chats('c-bob');
  t.match(mirrored, { other_user_id: 'c-ann', unread_count: 1, chat_id: toBob.chat_id });
  t.same(mirrored?.user, { first_name: '', last_name: '', photo: null }, 'nothing is known');

  ann.send(receipt(one, 'delivered'));
  ann.send(receipt(two, 'read'));
  await taken(ann);
  t.match(await pair.chats('c-ann'), [{ unread_count: 1, last_message: { status: 'read' } }, {}, {}]);
  ann.send(receipt(one, 'read'));
  await taken(ann);
  t.match(await pair.chats('c-ann'), [{ unread_count: 0 }, {}, {}]);
  t.match(await pair.chats('c-bob'), [{ unread_count: 1, last_message: { status: 'read' } }]);
});

t.test('more chats than one page holds are all there, in order', async (t) => {
  const ann = await pair.join('many-ann', { t });
  const others = Array.from({ length: 230 }, (_, i) => `many-${i}`);
  await Promise.all(others.map((other) => pair.meet(other)));
  for (const other of others) ann.send(says(other, `to ${other}`));
  for (const other of others) await heard(ann, `to ${other}`);
  const chats = await pair.chats('many-ann');
  t.same(
    chats.map(({ other_user_id }) => other_user_id),
    others.toReversed(),
  );
  t.same(
    chats.map((chat) => chat.last_message?.message),
    others.toReversed().map((other) => `to ${other}`),
  );
});

t.test('every route wants a token, and says so before anything else', async (t) => {
  await pair.meet('a-ann', 'a-bob');
  const good = await mintToken({ sub: 'a-ann' });
  const expired = await mintToken({ sub: 'a-ann' }, undefined, { expiresIn: '-1h' });
  const foreign = await mintToken({ sub: 'a-ann' }, 'another secret, just as long as the one of tests');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const unsigned = `${none}.${Buffer.from('{"sub":"a-ann"}').toString('base64url')}.`;
  const bad: [string, RequestOptions][] = [
    ['no token', {}],
    ['no JWT', { token: 'abc' }],
    ['an expired one', { token: expired }],
    ['one of somebody else', { token: foreign }],
    ['an unsigned one', { token: unsigned }],
    ['another scheme', { headers: { authorization: `Basic ${good}` } }],
  ];
  for (const path of [
    '/chat_history',
    '/chat_history/',
    '/chat_history/a-nobody',
    '/chat_history/a-bob?limit=x',
  ]) {
    for (const [what, options] of bad) {
      const answer = await request('GET', pair.next().url + path, options);
      isError(t, answer, 401, `${path}: ${what}`);
      t.equal(answer.headers.get('www-authenticate'), 'Bearer');
    }
    const inQuery = await request(
      'GET',
      `${pair.next().url}${path}${path.includes('?') ? '&' : '?'}token=${good}`,
    );
    t.equal(inQuery.status, 401, 'a token in the query is for sockets');
  }
  for (const method of ['POST', 'DELETE']) {
    isError(t, await request(method, `${pair.next().url}/chat_history`, { token: good }), 404, method);
  }
});
