import { signal } from '@preact/signals';
import { browser } from './store.js';

/** Whether the frames are shown. */
export const panelOpen = signal(browser.get('panel') === 'open');

export function togglePanel(): void {
  panelOpen.value = !panelOpen.value;
  browser.set('panel', panelOpen.value ? 'open' : 'closed');
}
