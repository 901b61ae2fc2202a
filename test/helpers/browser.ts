/** A real Chromium, and people in front of it. */

import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import type { Owner } from './wait.js';

/** scripts/test names another where that is what is installed. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const WAIT_MS = 60_000;

/** Starts it. It ends with the test. */
export async function startBrowser(t: Owner): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
  t.teardown(() => browser.close());
  return browser;
}

/** A window of somebody's own, with what went wrong in it. */
export interface Window {
  readonly page: Page;
  /** Errors and refusals by the Content-Security-Policy that the page told of. */
  readonly faults: string[];
}

/** Opens a window: with nobody else's storage. */
export async function openWindow(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    // A service that is away is no fault of the page.
    if (
      message.type() === 'error' &&
      !/ERR_|WebSocket connection|status of (401|404|409|413|503)/.test(message.text())
    ) {
      faults.push(message.text());
    }
  });
  await page.goto(url);
  return { page, faults };
}

/** Registers somebody, through the form. */
export async function register(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('E-mail').fill(`${name.toLowerCase().replaceAll(' ', '.')}@example.com`);
  await page.getByLabel('Password').fill('correct horse');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('.sidebar').waitFor();
}

/** Begins a chat with somebody, through the dialog. */
export async function startChat(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).click();
  await page.getByRole('dialog').getByRole('button', { name }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Writes and sends, by keyboard. */
export async function say(page: Page, text: string): Promise<void> {
  await page.locator('.composer textarea').fill(text);
  await page.locator('.composer textarea').press('Enter');
}

/** A message with this text. */
export function bubble(page: Page, text: string) {
  return page.locator('.messages .bubble').filter({ has: page.getByText(text, { exact: true }) });
}

/** What was said, as it is shown, from above. */
export function texts(page: Page): Promise<string[]> {
  return page.locator('.messages .bubble .text').allInnerTexts();
}

/** Whether a picture is there, and is one. */
export function isLoaded(picture: Locator): Promise<boolean> {
  return picture.evaluate((element) => (element as unknown as { naturalWidth: number }).naturalWidth > 0);
}

/** Which way a text runs: `ltr` or `rtl`. */
export function directionOf(text: Locator): Promise<string> {
  return text.evaluate((element) => {
    const { getComputedStyle } = globalThis as unknown as Styles;
    return getComputedStyle(element).direction;
  });
}

interface Styles {
  getComputedStyle(element: unknown): { direction: string };
}
