import { useEffect } from 'preact/hooks';
import { followAddress, openRoom } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import { isLooking } from '../state/host.js';
import { desk } from '../state/session.js';
import { panelOpen } from '../state/shown.js';
import { Entrance } from './entrance.js';
import { Panel } from './panel.js';
import { Sidebar } from './sidebar.js';
import { Thread } from './thread.js';

/** The page: the entrance, or one's desk. */
export function App() {
  return desk.value ? <Workplace key={desk.value.me.id} desk={desk.value} /> : <Entrance />;
}

function Workplace({ desk }: { desk: Desk }) {
  useEffect(() => {
    const onLook = () => {
      if (desk.open.value && isLooking()) desk.readAll(desk.open.value);
    };
    const onPop = () => followAddress(desk);
    const onKey = (event: KeyboardEvent) => takeKey(event, desk);
    window.addEventListener('focus', onLook);
    document.addEventListener('visibilitychange', onLook);
    window.addEventListener('popstate', onPop);
    window.addEventListener('keydown', onKey);
    return () => {
      window.removeEventListener('focus', onLook);
      document.removeEventListener('visibilitychange', onLook);
      window.removeEventListener('popstate', onPop);
      window.removeEventListener('keydown', onKey);
    };
  }, [desk]);
  // The address may name a conversation, once there are any.
  useEffect(() => {
    if (desk.listed.value === true && !desk.open.value) followAddress(desk);
  }, [desk, desk.listed.value]);
  const unread = desk.unread.value;
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Parlance` : 'Parlance';
  }, [unread]);
  return (
    <div
      class={`frame${panelOpen.value ? ' with-panel' : ''}`}
      data-shows={desk.open.value ? 'thread' : 'list'}
    >
      <Sidebar desk={desk} />
      <Thread desk={desk} />
      {panelOpen.value && <Panel desk={desk} />}
    </div>
  );
}

function takeKey(event: KeyboardEvent, desk: Desk): void {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key === 'k') {
    event.preventDefault();
    document.querySelector<HTMLInputElement>('.search .input')?.focus();
  } else if (event.altKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault();
    const rooms = desk.order.value;
    const at = desk.open.value ? rooms.indexOf(desk.open.value) : -1;
    const next = rooms[event.key === 'ArrowDown' ? at + 1 : Math.max(0, at - 1)];
    if (next) openRoom(desk, next);
  } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && isInList(document.activeElement)) {
    event.preventDefault();
    moveFocus(event.key === 'ArrowDown' ? 1 : -1);
  } else if (
    event.key === 'Escape' &&
    desk.open.value &&
    !document.querySelector('dialog[open], :popover-open')
  ) {
    openRoom(desk, undefined);
  }
}

function isInList(element: Element | null): boolean {
  return element?.closest('.sidebar .conversation, .search') != null;
}

/** Arrow keys go through the list, from the search too. */
function moveFocus(by: number): void {
  const buttons = [...document.querySelectorAll<HTMLElement>('.sidebar .conversation')];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  buttons[Math.max(0, at + by)]?.focus();
}
