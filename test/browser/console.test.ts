/** The console in a real browser: people in windows of their own, on two nodes. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import t from 'tap';
import { DIALECTS } from '../../src/client/index.js';
import { barriers } from '../helpers/axe.js';
import {
  bubble,
  directionOf,
  isLoaded,
  openWindow,
  register,
  say,
  startBrowser,
  startChat,
  texts,
  type Window,
} from '../helpers/browser.js';
import { clientOf } from '../helpers/client.js';
import { openDoor } from '../helpers/door.js';
import { SAMPLES, startFileWorld } from '../helpers/files.js';
import { startNode } from '../helpers/node.js';
import { mintToken } from '../helpers/token.js';
import { until } from '../helpers/wait.js';

const BUILT = fileURLToPath(new URL('../../dist/console', import.meta.url));
const MAX_BYTES = 150_000;
/** A safety net: a busy machine takes its time. */
const SOON_MS = 30_000;

const world = await startFileWorld(t, { AGENT: 'echo', MAX_UPLOAD_BYTES: '200000' });
const [first, second] = world.nodes;
const door = await openDoor(t, [first.port, second.port]);
const browser = await startBrowser(t);
const windows: Window[] = [];

async function open(url: string, options = {}): Promise<Page> {
  const window = await openWindow(browser, url, options);
  windows.push(window);
  return window.page;
}

/** Waits until all that was written is stored: until then a message may be there twice, on its way and as it came. */
async function allStored(page: Page): Promise<void> {
  const sending = page.getByRole('img', { name: 'Sending' });
  await until('nothing is on its way', async () => (await sending.count()) === 0, SOON_MS);
}

const ada = await open(door.url, { colorScheme: 'light' });
const grace = await open(second.url, { colorScheme: 'dark' });

t.test('two people meet', async (t) => {
  t.same(await barriers(ada), [], 'nothing bars the way in');
  t.same(await barriers(grace), [], 'in the dark neither');
  await register(ada, 'Ada Lovelace');
  await register(grace, 'Grace Hopper');
  await startChat(ada, 'Grace Hopper');
  await say(ada, 'Good morning');
  await say(ada, 'Did it run?');
  const entry = grace.getByRole('button', { name: /^Ada Lovelace online.* 2 unread$/ });
  await entry.waitFor();
  await bubble(ada, 'Did it run?').getByRole('img', { name: 'Delivered' }).waitFor();
  await until('the title says so', async () => (await grace.title()) === '(2) Parlance', SOON_MS);
  await entry.click();
  await bubble(grace, 'Good morning').waitFor();
  await grace.getByText('New messages').waitFor();
  await bubble(ada, 'Good morning').getByRole('img', { name: 'Read' }).waitFor();
  await bubble(ada, 'Did it run?').getByRole('img', { name: 'Read' }).waitFor();
  await say(grace, 'It did.');
  await bubble(ada, 'It did.').waitFor();
  await ada.getByText('Online', { exact: true }).waitFor();
  await until('so does the title', async () => (await grace.title()) === 'Parlance', SOON_MS);
  for (const page of [ada, grace]) await allStored(page);
  t.same(await texts(ada), await texts(grace));
  t.same(await barriers(ada), []);
  t.same(await barriers(grace), []);
});

t.test('a picture and a file', async () => {
  await grace.setInputFiles('.composer input[type=file]', [
    { name: 'moth.png', mimeType: 'image/png', buffer: SAMPLES.png },
    { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('nothing to see') },
  ]);
  await say(grace, 'See for yourself');
  for (const page of [grace, ada]) {
    const picture = page.getByRole('button', { name: 'Show moth.png' }).locator('img');
    await picture.waitFor();
    await until('it is loaded', () => isLoaded(picture), SOON_MS);
    await page.getByRole('button', { name: 'notes.txt' }).waitFor();
  }
  await bubble(grace, 'See for yourself').getByRole('img', { name: 'Read' }).waitFor();
  await ada.getByRole('button', { name: 'Show moth.png' }).click();
  await ada.getByRole('dialog', { name: 'moth.png' }).waitFor();
  await ada.keyboard.press('Escape');
  await ada.getByRole('dialog').waitFor({ state: 'hidden' });
  await grace.setInputFiles('.composer input[type=file]', {
    name: 'large.bin',
    mimeType: 'application/octet-stream',
    buffer: Buffer.alloc(300_000),
  });
  await grace.getByRole('button', { name: 'Send' }).click();
  await grace.getByText('Not sent: the file is too large.').waitFor();
  await grace.getByRole('button', { name: 'Discard' }).click();
});

t.test('all five documents, by hand', async (t) => {
  await ada.getByRole('button', { name: 'Frames for developers' }).click();
  for (const dialect of DIALECTS) {
    await ada.getByLabel('API spoken in this conversation').selectOption(dialect);
    await ada.getByText('· live').waitFor();
    await say(ada, `by ${dialect}`);
    await bubble(grace, `by ${dialect}`).waitFor();
    await ada
      .locator('.travelled .out')
      .filter({ hasText: `by ${dialect}` })
      .waitFor();
    await allStored(ada);
    t.equal(await bubble(ada, `by ${dialect}`).count(), 1, dialect);
  }
  const frame = ada.getByLabel('Send a frame by hand');
  await frame.fill('{"type":"text","content":"by hand"}');
  await ada.locator('.by-hand').getByRole('button', { name: 'Send' }).click();
  await bubble(grace, 'by hand').waitFor();
  await frame.fill('{"type":"nothing"}');
  await ada.locator('.by-hand').getByRole('button', { name: 'Send' }).click();
  await ada.locator('.travelled .in').filter({ hasText: 'unknown type' }).waitFor();
  t.same(await barriers(ada), []);
  await ada.getByLabel('API spoken in this conversation').selectOption('auto');
  await ada.getByRole('button', { name: 'Close the frames' }).click();
});

t.test('a history that is loaded as one scrolls up', async (t) => {
  const omar = await clientOf(t, second.url, 'omar', {
    token: await mintToken({ sub: 'omar', name: 'عمر الخيام', email: 'omar@example.com' }),
  });
  const adas = (await omar.api.people()).find(({ name }) => name === 'Ada Lovelace');
  const { id } = await omar.api.startDirect(adas?.id ?? '', 'omar');
  for (let i = 1; i <= 130; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => omar.api.send(id, `رسالة ${i + j}`)));
  }
  const entry = ada.getByRole('button', { name: /عمر الخيام/ });
  await entry.getByText('130 unread').waitFor();
  await entry.click();
  await until('all that is new is there', async () => (await texts(ada)).length === 130, SOON_MS);
  await ada.getByText('New messages').waitFor();
  const isRead = async () => (await omar.api.chatHistory(id)).every(({ status }) => status === 'read');
  await until('it is known to be read', isRead, SOON_MS);
  await ada.reload();
  await until('a page of it is', async () => (await texts(ada)).length === 50, SOON_MS);
  t.ok(await bubble(ada, (await texts(ada)).at(-1) as string).isVisible(), 'its end is in view');
  await ada.locator('.messages').hover();
  const scrolled = async () => {
    await ada.mouse.wheel(0, -4_000);
    return (await texts(ada)).length === 130;
  };
  await until('and all of it', scrolled, SOON_MS, 100);
  await ada.getByText('This is where it began.').waitFor();
  t.equal(new Set(await texts(ada)).size, 130);
  const text = ada.locator('.messages .text').first();
  t.equal(await directionOf(text), 'rtl');
});

t.test('the connection is lost, and back', async (t) => {
  await ada.getByRole('button', { name: /Grace Hopper/ }).click();
  await bubble(ada, 'by hand').waitFor();
  door.targets = [];
  door.cut();
  await ada.getByText('Connection lost').waitFor();
  await say(ada, 'into the dark');
  await bubble(ada, 'into the dark').getByRole('img', { name: 'Sending' }).waitFor();
  await say(grace, 'are you there?');
  door.targets = [first.port, second.port];
  await bubble(ada, 'are you there?').waitFor();
  await bubble(grace, 'into the dark').waitFor();
  await bubble(ada, 'into the dark').getByRole('img', { name: 'Read' }).waitFor();
  const news = ada.getByText(/Connection lost|Back\./);
  await until('calm again', async () => !(await news.isVisible()), SOON_MS);

  // The node that Ada is on goes without a word.
  await first.kill9();
  await say(ada, 'still here');
  await say(grace, 'so am I');
  await bubble(grace, 'still here').waitFor();
  await bubble(ada, 'so am I').waitFor();
  for (const page of [ada, grace]) await allStored(page);
  t.same(await texts(ada), await texts(grace), 'the same, once each, in the same order');
});

t.test('on a phone', async (t) => {
  const page = await open(second.url, {
    viewport: { width: 390, height: 780 },
    isMobile: true,
    hasTouch: true,
  });
  await page.getByRole('tab', { name: 'Log in' }).click();
  await page.getByLabel('E-mail').fill('ada.lovelace@example.com');
  await page.getByLabel('Password').fill('wrong horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Sign in' }).click();
  const fits = () => page.evaluate('document.documentElement.scrollWidth <= innerWidth');
  const entry = page.getByRole('button', { name: /Grace Hopper/ });
  await entry.click();
  await bubble(page, 'still here').waitFor();
  await entry.waitFor({ state: 'hidden' }); // one thing at a time
  t.ok(await fits());
  t.same(await barriers(page), []);
  await page.getByRole('button', { name: 'Back to the list' }).click();
  await entry.waitFor();
  t.ok(await fits());
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('dialog').getByText('Ask the assistant').waitFor();
  t.ok(await fits());
  t.same(await barriers(page), []);
});

t.test('a public room', async (t) => {
  await grace.getByRole('button', { name: 'New chat' }).click();
  await grace.getByLabel('Name, e-mail or room').fill('Moths');
  await grace.getByRole('button', { name: /Create the public room/ }).click();
  // Until then one would write to whom one wrote before.
  await grace.getByRole('heading', { name: 'Moths', level: 1 }).waitFor();
  await say(grace, 'All welcome');
  await allStored(grace); // until then she may not be there, and does not hear who comes
  await ada.reload();
  await ada.getByRole('button', { name: 'Moths' }).click();
  await bubble(ada, 'All welcome').waitFor();
  await grace.getByText('Ada Lovelace joined').waitFor();
  await say(ada, 'Thank you');
  await bubble(grace, 'Thank you').waitFor();
  await grace.locator('.sender').getByText('Ada Lovelace').waitFor(); // who says it
  t.same(await barriers(grace), []);
});

t.test('the assistant types', async (t) => {
  await ada.getByRole('button', { name: 'New chat' }).click();
  await ada.getByRole('button', { name: /Ask the assistant/ }).click();
  const ready = ada.getByRole('heading', { name: 'Ask anything' });
  const none = ada.getByText('no AI agent is configured here');
  await ready.or(none).waitFor();
  if (await none.isVisible()) {
    t.pass('there is none, and it is said');
    await ada.keyboard.press('Escape');
    return;
  }
  await say(ada, 'What is a moth?');
  const answer = ada.locator('.message:not(.mine, .typing) .text');
  await until('it answers', async () => (await answer.count()) === 1, SOON_MS);
  await ada.getByRole('button', { name: 'Frames for developers' }).click();
  const deltas = ada.locator('.travelled .in').filter({ hasText: '"delta"' });
  await deltas.first().waitFor();
  t.ok((await deltas.count()) > 0, 'and was seen typing');
});

t.test('signed out', async (t) => {
  await grace.getByRole('button', { name: 'Settings' }).click();
  await grace.getByRole('button', { name: 'Sign out' }).click();
  await grace.getByRole('tab', { name: 'Token' }).click();
  await grace.getByLabel('Access token').fill('nonsense');
  await grace.getByRole('button', { name: 'Sign in' }).click();
  await grace.getByText('This token is not valid here').waitFor();
  const token = await mintToken({ sub: 'linked', name: 'Linked' });
  const linked = await open(`${second.url}/#token=${token}`);
  t.equal(new URL(linked.url()).hash, '', 'no token stays in the address');
  t.notOk(await linked.locator('.sidebar').isVisible(), 'and a link alone signs nobody in');
  await linked.getByRole('button', { name: 'Sign in' }).click();
  await linked.getByText('Linked', { exact: true }).waitFor();
});

t.test('what is served', async (t) => {
  const page = await fetch(second.url, { headers: { 'accept-encoding': 'gzip' } });
  const policy = page.headers.get('content-security-policy') ?? '';
  t.match(policy, /default-src 'none'/);
  t.notMatch(policy, /unsafe|\*|data:/);
  t.equal(page.headers.get('cache-control'), 'no-cache');
  const html = await page.text();
  const inline = /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/;
  t.notMatch(html, inline, 'nothing inline, nothing from elsewhere');
  const [asset = ''] = /\/assets\/[^"]+\.js/.exec(html) ?? [];
  const script = await fetch(second.url + asset, { headers: { 'accept-encoding': 'br' } });
  t.equal(script.headers.get('content-encoding'), 'br');
  t.match(script.headers.get('cache-control'), 'immutable');
  await script.body?.cancel();
  const files = readdirSync(BUILT, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(br|gz)$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const bytes = files.map((file) => gzipSync(readFileSync(file)).length);
  t.ok(bytes.length >= 4 && bytes.reduce((sum, one) => sum + one) < MAX_BYTES, `${bytes.join(' + ')} bytes`);
  const without = await startNode(t, { ...world.redis.env, CONSOLE: 'false' });
  t.equal((await fetch(without.url)).status, 404, 'CONSOLE=false');
  const faults = windows.flatMap((window) => window.faults);
  t.same(faults, [], 'no page had a fault');
});
