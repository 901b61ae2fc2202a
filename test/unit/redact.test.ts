import fc from 'fast-check';
import pino from 'pino';
import t from 'tap';
import { LOG_REDACTION, redactUrl } from '../../src/http/redact.js';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl-_w';

t.test('what holds no secret stays byte for byte', async (t) => {
  const plain = [
    '',
    '/',
    '/chat/messages/7/?limit=10&before=99',
    '/ws/chat/12/',
    '/ws/chat/room/',
    '/ws',
    '/ws/',
    '/api/v1/ws/room123/user123?since=5',
    '/wss/abc',
    '/mediafiles/attachments/2024/06/17/123e4567-e89b-12d3-a456-426614174000.min.js',
    '/x?%zz=%&a==&&=b',
    'https://chat.example:8000/healthz?x=1#top',
    '/search?q=a%20b%C3%BC',
  ];
  for (const url of plain) t.equal(redactUrl(url), url);
});

t.test('secrets are replaced and the rest is kept', async (t) => {
  const cases: [string, string][] = [
    ['/ws/chat/room/?token=abc&since=4', '/ws/chat/room/?token=[redacted]&since=4'],
    ['/x?TOKEN=abc', '/x?TOKEN=[redacted]'],
    ['/x?t%6Fken=abc', '/x?t%6Fken=[redacted]'],
    ['/x?t%256Fken=abc', '/x?t%256Fken=[redacted]'],
    ['/x?token=a&token=b&token', '/x?token=[redacted]&token=[redacted]&token'],
    ['/x?access_token=a;ticket=b', '/x?access_token=[redacted];ticket=[redacted]'],
    ['/m/a.png?X-Amz-Signature=ff&X-Amz-Date=1', '/m/a.png?X-Amz-Signature=[redacted]&X-Amz-Date=1'],
    ['/m/a.png?signature=ff&expires=1', '/m/a.png?signature=[redacted]&expires=1'],
    ['/x?token=%zz%', '/x?token=[redacted]'],
    ['/x?token=a=b=c', '/x?token=[redacted]'],
    ['/x#access_token=abc', '/x#access_token=[redacted]'],
    [`/ws/${JWT}`, '/ws/[redacted]'],
    [`/ws/${JWT}/?since=1`, '/ws/[redacted]?since=1'],
    ['/ws/not-a-jwt', '/ws/[redacted]'],
    ['/ws/half%2Fhalf/more', '/ws/[redacted]'],
    ['/WS/abc', '/WS/[redacted]'],
    ['/%77s/abc', '/%77s/[redacted]'],
    ['//ws//abc', '//ws//[redacted]'],
    ['/ws%2Fabc', '/ws%2F[redacted]'],
    ['http://h/ws/abc?x=1', 'http://h/ws/[redacted]?x=1'],
    [`/anything/${JWT}/else`, '/anything/[redacted]/else'],
    [`/x?q=${JWT.replaceAll('.', '%2E')}`, '/x?q=[redacted]'],
    [`/x?${JWT}`, '/x?[redacted]'],
    ['/x%3Ftoken=abc', '/[redacted]'],
    ['/x?next=%2Fws%3Ftoken%3Dabc&y=1', '/x?next=[redacted]&y=1'],
    ['redis://user:pw@host:6379/0', 'redis://[redacted]@host:6379/0'],
    ['https://u:p@w@host/x', 'https://[redacted]@host/x'],
  ];
  for (const [url, want] of cases) t.equal(redactUrl(url), want);
});

t.test('a token never survives, however it is dressed', async () => {
  const dress = (text: string, mask: readonly boolean[]): string =>
    [...text]
      .map((char, i) =>
        mask[i % mask.length] ? `%${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char,
      )
      .join('');
  const places = [
    (name: string, token: string) => `/a/b?x=1&${name}=${token}&y=%`,
    (name: string, token: string) => `/a?${name}=${token}#${name}=${token}`,
    (_: string, token: string) => `/ws/${token}`,
    (_: string, token: string) => `/any/${token}?y=1`,
    (_: string, token: string) => `//h/ws/chat/${token}`,
  ];
  const mask = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
  const name = fc.constantFrom('token', 'TOKEN', 'ticket', 'Signature', 'refresh_token');
  fc.assert(
    fc.property(fc.constantFrom(...places), name, mask, mask, (place, key, a, b) => {
      const token = dress(JWT, a);
      const out = redactUrl(place(dress(key, b), token));
      return !out.includes(token) && out.includes('[redacted]');
    }),
    { numRuns: 5000 },
  );
});

t.test('nothing makes it throw, and it keeps pace with the longest of URLs', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (url) => typeof redactUrl(url) === 'string'),
    { numRuns: 5000 },
  );
  for (const part of [
    'a',
    'token',
    'aaaaaaaaaa.aaaa',
    '%25',
    '/ws',
    '?token=',
    '%',
    '@',
    '//',
    'a.',
    'jwt.',
    'passw',
  ]) {
    const url = `/${part.repeat(Math.ceil(64_000 / part.length))}`;
    // Of this process: how long it took depends on what else the machine does.
    const started = process.cpuUsage();
    redactUrl(url);
    redactUrl(`http:${url}`);
    redactUrl(`/?${url}`);
    const { user, system } = process.cpuUsage(started);
    t.ok(user + system < 500_000, part);
  }
});

t.test('the logger drops the headers that hold secrets', async (t) => {
  let line = '';
  const log = pino({ redact: LOG_REDACTION }, { write: (text: string) => (line += text) });
  const headers = {
    authorization: 'Bearer sesame',
    cookie: 'a=sesame',
    'sec-websocket-protocol': 'bearer, sesame',
    referer: '/ws/sesame',
    host: 'chat.example',
  };
  log.info({ headers, req: { headers }, res: { headers: { 'set-cookie': 'sesame' } } }, 'request');
  t.notMatch(line, /sesame/);
  t.match(line, /chat\.example/);
});
