const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const fullDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

const DAY_MS = 86_400_000;

export const clockOf = (at: number): string => clock.format(at);
export const secondsOf = (at: number): string => clockWithSeconds.format(at);
export const fullTimeOf = (at: number): string => full.format(at);

/** Whole days from the day of `at` to today. */
function daysAgo(at: number): number {
  return Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / DAY_MS);
}

/** The day as a heading. */
export function dayOf(at: number): string {
  const days = daysAgo(at);
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 7 ? weekday.format(at) : fullDate.format(at);
}

/** The time as a list has room for it. */
export function briefTimeOf(at: number): string {
  if (at === 0) return '';
  const days = daysAgo(at);
  if (days <= 0) return clock.format(at);
  return days === 1 ? 'Yesterday' : date.format(at);
}

/** When somebody was last there. */
export function seenOf(at: number): string {
  const minutes = Math.floor((Date.now() - at) / 60_000);
  if (minutes < 1) return 'last seen just now';
  if (minutes < 60) return `last seen ${minutes} min ago`;
  return daysAgo(at) === 0 ? `last seen at ${clock.format(at)}` : `last seen ${briefTimeOf(at)}`;
}

/** A size in bytes, in words. */
export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(0)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
