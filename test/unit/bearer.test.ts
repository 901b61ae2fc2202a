import t from 'tap';
import { bearerFrom } from '../../src/http/tokens.js';

t.test('a request may carry its token in three places', async (t) => {
  const cases: [Parameters<typeof bearerFrom>[0], string | undefined][] = [
    [{}, undefined],
    [{ authorization: 'Bearer abc' }, 'abc'],
    [{ authorization: 'bEARER   abc ' }, 'abc'],
    [{ authorization: 'Bearer ' }, undefined],
    [{ authorization: 'Bearer a b' }, undefined],
    [{ authorization: 'Bearerabc' }, undefined],
    [{ authorization: 'Basic abc' }, undefined],
    [{ authorization: 'Basic abc', queryToken: 'q' }, 'q'],
    [{ authorization: 'Bearer a', queryToken: 'q', subprotocols: 'bearer, s' }, 'a'],
    [{ queryToken: 'q', subprotocols: 'bearer, s' }, 's'],
    [{ subprotocols: 'Bearer,s' }, 's'],
    [{ subprotocols: 'chat, bearer, s, other' }, 's'],
    [{ subprotocols: 'bearer' }, undefined],
    [{ subprotocols: 'chat, other' }, undefined],
    [{ queryToken: ['a', 'b'] }, undefined],
    [{ queryToken: '' }, undefined],
  ];
  for (const [places, want] of cases) t.equal(bearerFrom(places), want, JSON.stringify(places));
});
