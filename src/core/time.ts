/** `2024-04-01T12:00:00Z`: seconds, cut off. */
export function toSeconds(ms: number): string {
  const second = Math.floor(ms / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = `${new Date(second * 1_000).toISOString().slice(0, 19)}Z`;
  }
  return lastText;
}

// Messages that are shown together are mostly of the same second.
let lastSecond = Number.NaN;
let lastText = '';

/** `2024-04-01T12:00:00.123Z`. */
export function toMilliseconds(ms: number): string {
  return new Date(ms).toISOString();
}

/** `2024-04-01T12:00:00.123000`, without a zone: milliseconds written with six digits. */
export function toMicroseconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000`;
}
