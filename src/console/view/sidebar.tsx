import { useRef, useState } from 'preact/hooks';
import type { Conversation } from '../../client/index.js';
import { openConversation, openRoom } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import type { Room } from '../state/room.js';
import { signOut } from '../state/session.js';
import { togglePanel } from '../state/shown.js';
import { chooseTheme, THEMES, theme } from '../state/theme.js';
import { Avatar } from './avatar.js';
import { Icon } from './icons.js';
import { NewChat } from './new-chat.js';
import { briefTimeOf } from './times.js';

/** Public rooms that the list shows without a search. */
const SHOWN_ROOMS = 20;

/** One's conversations, and the way to new ones. */
export function Sidebar({ desk }: { desk: Desk }) {
  const [query, setQuery] = useState('');
  const [starting, setStarting] = useState(false);
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header>
        <Avatar id={desk.me.id} name={desk.me.name} small />
        <div class="who">
          <strong class="clipped">
            <bdi>{desk.me.name}</bdi>
          </strong>
          <span class="clipped">{desk.me.email || `user ${desk.me.id}`}</span>
        </div>
        <Menu />
        <button
          class="icon-button filled"
          type="button"
          aria-label="New chat"
          title="New chat"
          onClick={() => setStarting(true)}
        >
          <Icon name="plus" />
        </button>
      </header>
      <label class="search">
        <span class="hidden-words">Search conversations</span>
        <Icon name="search" size={16} />
        <input
          class="input"
          type="search"
          placeholder="Search"
          value={query}
          onInput={({ currentTarget }) => setQuery(currentTarget.value)}
        />
      </label>
      <List desk={desk} query={query.trim().toLowerCase()} onStart={() => setStarting(true)} />
      {starting && <NewChat desk={desk} onDone={() => setStarting(false)} />}
    </nav>
  );
}

function Menu() {
  const menu = useRef<HTMLDivElement>(null);
  return (
    <>
      <button
        class="icon-button"
        type="button"
        aria-label="Settings"
        title="Settings"
        popovertarget="settings"
      >
        <Icon name="menu" />
      </button>
      <div class="menu" id="settings" popover="auto" ref={menu}>
        <fieldset aria-label="Theme">
          {THEMES.map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="theme"
                checked={one === theme.value}
                onChange={() => chooseTheme(one)}
              />
              {one === 'auto' ? 'System' : one === 'light' ? 'Light' : 'Dark'}
            </label>
          ))}
        </fieldset>
        <button
          type="button"
          onClick={() => {
            menu.current?.hidePopover();
            togglePanel();
          }}
        >
          <Icon name="frames" /> Frames for developers
        </button>
        <button type="button" onClick={() => signOut()}>
          <Icon name="out" /> Sign out
        </button>
      </div>
    </>
  );
}

function List({ desk, query, onStart }: { desk: Desk; query: string; onStart: () => void }) {
  const matches = ({ name }: Conversation) => name.toLowerCase().includes(query);
  const rooms = desk.order.value.filter((room) => matches(room.conversation.value));
  const lobby = desk.lobby.value.filter(matches).slice(0, query ? undefined : SHOWN_ROOMS);
  const { value: listed } = desk.listed;
  if (listed === false) return <Loading />;
  return (
    <div class="list">
      {typeof listed === 'object' && <Fault desk={desk} words={listed.fault} />}
      {rooms.length > 0 && (
        <ul>
          {rooms.map((room) => (
            <li key={room.id}>
              <Row desk={desk} room={room} />
            </li>
          ))}
        </ul>
      )}
      {rooms.length === 0 && !query && (
        <div class="empty">
          <span class="art">
            <Icon name="chat" size={30} />
          </span>
          <h3>No conversations yet</h3>
          <p>Write to somebody, join a public room, or ask the assistant.</p>
          <button class="button primary" type="button" onClick={onStart}>
            Start a chat
          </button>
        </div>
      )}
      {rooms.length === 0 && query && lobby.length === 0 && (
        <div class="empty">
          <p>Nothing is called “{query}”.</p>
          <button class="button quiet" type="button" onClick={onStart}>
            Look for people
          </button>
        </div>
      )}
      {lobby.length > 0 && (
        <>
          <h2>Public rooms</h2>
          <ul>
            {lobby.map((one) => (
              <li key={one.id}>
                <button class="conversation" type="button" onClick={() => openConversation(desk, one)}>
                  <Avatar id={one.id} name={one.name} kind="public" />
                  <span class="name clipped" dir="auto">
                    {one.name}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Row({ desk, room }: { desk: Desk; room: Room }) {
  const { name, kind, other, id } = room.conversation.value;
  const unread = room.unread.value;
  const online = room.presence.value?.online;
  return (
    <button
      class={`conversation${unread > 0 ? ' unread' : ''}`}
      type="button"
      aria-current={desk.open.value === room}
      onClick={() => openRoom(desk, room)}
    >
      <Avatar id={other ?? id} name={name} kind={kind} online={online} />
      <span class="clipped">
        <span class="name clipped" dir="auto">
          {name}
        </span>
        {online && <span class="hidden-words"> online</span>}
        <br />
        <span class="preview" dir="auto">
          {previewOf(desk, room)}
        </span>
      </span>
      <span class="aside">
        <time>{briefTimeOf(room.activeAt.value)}</time>
        {unread > 0 && (
          <span class="count">
            {unread > 999 ? '999+' : unread}
            <span class="hidden-words"> unread</span>
          </span>
        )}
      </span>
    </button>
  );
}

function previewOf(desk: Desk, room: Room): string {
  if (room.typing.value !== undefined) return 'is typing…';
  const last = room.last.value;
  if (!last) return room.conversation.value.kind === 'public' ? 'Public room' : 'Say hello';
  const who =
    last.sender === desk.me.id
      ? 'You: '
      : room.conversation.value.kind === 'public'
        ? `${desk.people.name(last.sender)}: `
        : '';
  const files = last.attachments.length;
  return who + (last.text || (files === 1 ? 'Attachment' : `${files} attachments`));
}

function Loading() {
  return (
    <div class="list" aria-busy="true">
      <span class="hidden-words">Loading conversations</span>
      {[1, 2, 3, 4].map((n) => (
        <div key={n} class="skeleton" />
      ))}
    </div>
  );
}

function Fault({ desk, words }: { desk: Desk; words: string }) {
  return (
    <p class="fault" role="alert">
      The list could not be loaded: {words}.{' '}
      <button class="button quiet" type="button" onClick={() => void desk.reload()}>
        Try again
      </button>
    </p>
  );
}
