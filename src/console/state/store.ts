/** What the browser keeps, with the storage that may be switched off in it. */

function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined; // private windows may refuse
  }
}

/** Kept until the tab is closed: two windows are two people. */
export const tab = storeIn(() => sessionStorage);
/** Kept for good. */
export const browser = storeIn(() => localStorage);

function storeIn(storage: () => Storage) {
  return {
    get: (name: string): string | undefined =>
      attempt(() => storage().getItem(`parlance:${name}`)) ?? undefined,
    set: (name: string, value: string): void =>
      void attempt(() => storage().setItem(`parlance:${name}`, value)),
    remove: (name: string): void => void attempt(() => storage().removeItem(`parlance:${name}`)),
  };
}
