import { signal } from '@preact/signals';
import { browser } from './store.js';

/** `auto`: as the system has it. */
export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>(THEMES.find((one) => one === browser.get('theme')) ?? 'auto');

export function chooseTheme(next: Theme): void {
  theme.value = next;
  browser.set('theme', next);
  applyTheme();
}

/** The style sheet asks the root element which theme is meant. */
export function applyTheme(): void {
  const root = document.documentElement;
  if (theme.value === 'auto') delete root.dataset.theme;
  else root.dataset.theme = theme.value;
}
