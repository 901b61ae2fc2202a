/**
 * `run`, at most once in `ms`: calls in between do nothing. For log lines about what is tried, and fails, again and again.
 */
export function seldom<A extends unknown[]>(ms: number, run: (...args: A) => void): (...args: A) => void {
  let lastAt = Number.NEGATIVE_INFINITY;
  return (...args) => {
    const now = performance.now();
    if (now - lastAt < ms) return;
    lastAt = now;
    run(...args);
  };
}
