/** What stands in the way of people who see, hear or move differently, as axe-core finds it. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly any: readonly { readonly message: string }[] }[];
}

/** Colours on their way from one to the other are nobody's. */
const FINISH = `for (const one of document.getAnimations()) {
  if (Number.isFinite(one.effect?.getComputedTiming().endTime)) one.finish();
}`;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const RUN = `axe.run({ runOnly: { type: 'tag', values: ${JSON.stringify(TAGS)} } }).then(({ violations }) => violations)`;

/** Every breach of WCAG 2 A and AA in the page as it is now: contrast, names, roles. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(FINISH);
  await page.evaluate(AXE);
  const violations = await page.evaluate<readonly Violation[]>(RUN);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message ?? ''}`),
  );
}
