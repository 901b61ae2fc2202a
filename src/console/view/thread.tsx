import { useSignal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { openRoom } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import type { Room } from '../state/room.js';
import { panelOpen, togglePanel } from '../state/shown.js';
import { Avatar } from './avatar.js';
import { Composer } from './composer.js';
import { Icon } from './icons.js';
import { Messages } from './messages.js';
import { seenOf } from './times.js';

/** Shorter breaks are nobody's concern, in ms. */
const BLINK_MS = 900;
const BACK_MS = 1_800;

/** The open conversation. */
export function Thread({ desk }: { desk: Desk }) {
  const room = desk.open.value;
  if (!room) return <NothingOpen />;
  return <Open key={room.id} desk={desk} room={room} />;
}

function Open({ desk, room }: { desk: Desk; room: Room }) {
  const [dropping, setDropping] = useState(false);
  const files = useSignal<readonly File[]>([]);
  const takesFiles = room.conversation.value.kind === 'direct';
  return (
    <main
      class={`thread${dropping ? ' dropping' : ''}`}
      onDragOver={(event) => {
        if (!takesFiles || !event.dataTransfer?.types.includes('Files')) return;
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={({ relatedTarget, currentTarget }) => {
        if (!currentTarget.contains(relatedTarget as Node | null)) setDropping(false);
      }}
      onDrop={(event) => {
        setDropping(false);
        if (!takesFiles) return;
        event.preventDefault();
        files.value = [...files.value, ...(event.dataTransfer?.files ?? [])];
      }}
    >
      <Header desk={desk} room={room} />
      <ConnectionState desk={desk} />
      <Messages desk={desk} room={room} />
      <Composer desk={desk} room={room} files={files} />
    </main>
  );
}

function Header({ desk, room }: { desk: Desk; room: Room }) {
  const { name, kind, other, id } = room.conversation.value;
  const presence = room.presence.value;
  const here = presence?.online === true;
  return (
    <header>
      <button
        class="icon-button only-narrow"
        type="button"
        aria-label="Back to the list"
        onClick={() => openRoom(desk, undefined)}
      >
        <Icon name="back" />
      </button>
      <Avatar id={other ?? id} name={name} kind={kind} online={here} />
      <div class="title">
        <h1 class="clipped">
          <bdi>{name}</bdi>
        </h1>
        <p class={`sub clipped${here ? ' here' : ''}`}>{subtitleOf(room)}</p>
      </div>
      <button
        class="icon-button"
        type="button"
        aria-label="Frames for developers"
        title="Frames for developers"
        aria-pressed={panelOpen.value}
        onClick={togglePanel}
      >
        <Icon name="frames" />
      </button>
    </header>
  );
}

function subtitleOf(room: Room): string {
  const { kind } = room.conversation.value;
  if (kind === 'public') return 'Public room: everybody may join';
  if (kind === 'agent') return room.typing.value === undefined ? 'AI agent' : 'typing…';
  const presence = room.presence.value;
  if (!presence) return 'Direct chat';
  return presence.online ? 'Online' : seenOf(presence.seenAt);
}

/** Says that the connection is lost, when that lasts, and that it is back. */
function ConnectionState({ desk }: { desk: Desk }) {
  const [shown, setShown] = useState<'' | 'lost' | 'back'>('');
  const was = useRef('');
  const lost = desk.talks.state.value !== 'open';
  useEffect(() => {
    const wasLost = was.current === 'lost';
    const next = lost ? 'lost' : wasLost ? 'back' : '';
    const show = () => {
      was.current = next;
      setShown(next);
    };
    const timers = [setTimeout(show, next === 'lost' ? BLINK_MS : 0)];
    if (next === 'back') timers.push(setTimeout(() => setShown(''), BACK_MS));
    return () => timers.forEach(clearTimeout);
  }, [lost]);
  return (
    <div class={`connection ${shown}`} role="status">
      {shown === 'lost' && (
        <span>
          <i /> Connection lost. Trying again…
        </span>
      )}
      {shown === 'back' && (
        <span>
          <i /> Back. Nothing was missed.
        </span>
      )}
    </div>
  );
}

function NothingOpen() {
  return (
    <main class="thread">
      <div class="nothing-open">
        <div class="empty">
          <span class="art">
            <Icon name="chat" size={30} />
          </span>
          <h3>Choose a conversation</h3>
          <p>
            <kbd>Ctrl K</kbd> searches, <kbd>Alt ↑</kbd> <kbd>Alt ↓</kbd> go through them.
          </p>
        </div>
      </div>
    </main>
  );
}
