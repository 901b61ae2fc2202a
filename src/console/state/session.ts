import { signal } from '@preact/signals';
import { claimsOf, Parlance, type Person } from '../../client/index.js';
import { Desk } from './desk.js';
import { browser, tab } from './store.js';

/** Who is signed in, with everything of theirs; undefined: nobody. */
export const desk = signal<Desk | undefined>(undefined);
/** A token that came with the address, for the form. */
export const offered = signal('');
/** Why somebody finds themselves signed out. */
export const farewell = signal('');

/** Goes on with the token that the browser keeps; takes one from the address (`#token=...`) to the form. */
export function restoreSession(): void {
  const given = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (given) {
    // Not left in the history, and never taken without a click: a link must not sign anybody in.
    history.replaceState(null, '', location.pathname);
    offered.value = decodeURIComponent(given);
  }
  const token = tab.get('token') ?? browser.get('token');
  if (token && !given) void signIn(token, false).catch(() => undefined);
}

/**
 * Signs in with a token.
 * @param keep whether to stay signed in when the tab is closed
 * @throws RefusedError when the service does not accept it
 */
export async function signIn(token: string, keep: boolean): Promise<void> {
  const client = new Parlance({ token });
  const user = await client.user();
  const me = await client.api.person(user).catch((error: { status?: number }): Person => {
    // A directory that shows contacts only may not show oneself.
    if (error.status !== 404) throw error;
    return bare(user, token);
  });
  tab.set('token', token);
  if (keep) browser.set('token', token);
  farewell.value = '';
  offered.value = '';
  desk.value?.close();
  desk.value = new Desk(client, me, () => signOut('Your session has ended. Sign in again to go on.'));
}

export function signOut(words = ''): void {
  desk.value?.close();
  desk.value = undefined;
  tab.remove('token');
  browser.remove('token');
  farewell.value = words;
  history.replaceState(null, '', location.pathname);
}

function bare(id: string, token: string): Person {
  const { name, email } = claimsOf(token);
  return { id, name: String(name ?? email ?? id), email: String(email ?? ''), picture: undefined };
}
