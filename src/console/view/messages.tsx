import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Desk } from '../state/desk.js';
import { loadNewest, loadOlder } from '../state/histories.js';
import type { Room } from '../state/room.js';
import { Icon } from './icons.js';
import { Pending, Said, Typing } from './message.js';
import { placeOf } from './place.js';

/** So near to the end one follows what comes, in pixels; so near to the beginning more is loaded. */
const FOLLOW_PX = 80;
const MORE_PX = 400;

/** What was said, the newest at the end; older messages are loaded as one scrolls up to them. */
export function Messages({ desk, room }: { desk: Desk; room: Room }) {
  const scroller = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const before = useRef({ first: '', height: 0 });
  const [away, setAway] = useState(false);
  const messages = room.messages.value;
  const sending = room.sending.value;
  const typing = room.typing.value;

  // What stood in view stays there when something is put before it; at the end one follows.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const first = messages[0]?.id ?? '';
    const { first: firstBefore, height } = before.current;
    if (follows.current) element.scrollTop = element.scrollHeight;
    else if (first !== firstBefore && height > 0) element.scrollTop += element.scrollHeight - height;
    before.current = { first, height: element.scrollHeight };
  }, [messages, sending, typing, room.notice.value, room.history.value]);

  // Pictures and the keyboard of a phone change heights without a word.
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (follows.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const element = scroller.current;
    if (!element) return;
    follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOW_PX;
    before.current.height = element.scrollHeight;
    setAway(!follows.current);
    if (element.scrollTop < MORE_PX) void loadOlder(desk, room);
  };
  const toLatest = () => {
    follows.current = true;
    setAway(false);
    scroller.current?.scrollTo({
      top: scroller.current.scrollHeight,
      behavior: isCalm() ? 'auto' : 'smooth',
    });
  };
  // One's own message is what one wants to see.
  useEffect(() => {
    if (sending.length > 0) toLatest();
  }, [sending.length]);

  return (
    <>
      <div
        class="messages"
        ref={scroller}
        onScroll={onScroll}
        role="log"
        aria-label="Messages"
        aria-live="polite"
      >
        <Beginning desk={desk} room={room} />
        <ol>
          {messages.map((message, i) => (
            <Said
              key={message.id}
              desk={desk}
              room={room}
              message={message}
              {...placeOf(messages, i, room.newFrom.value)}
            />
          ))}
          {room.notice.value && (
            <li class="notice" dir="auto">
              {wordsOf(desk, room.notice.value.text)}
            </li>
          )}
          {typing !== undefined && <Typing room={room} text={typing} />}
          {sending.map((one) => (
            <Pending key={one.key} desk={desk} room={room} one={one} />
          ))}
        </ol>
      </div>
      {away && (
        <button class="to-latest" type="button" onClick={toLatest}>
          <Icon name="down" size={16} />
          {room.unread.value > 0 ? `${room.unread.value} new` : 'Latest'}
        </button>
      )}
    </>
  );
}

function Beginning({ desk, room }: { desk: Desk; room: Room }) {
  const { value: history } = room.history;
  if (typeof history === 'object') {
    return (
      <p class="beginning" role="alert">
        Messages could not be loaded: {history.fault}.{' '}
        <button type="button" onClick={() => void loadNewest(desk, room)}>
          Try again
        </button>
      </p>
    );
  }
  if (history === 'loading' || history === 'none') return <p class="beginning">Loading…</p>;
  if (history === 'some') return <p class="beginning">Scroll up for more</p>;
  const { name, kind } = room.conversation.value;
  if (room.messages.value.length > 0) return <p class="beginning">This is where it began.</p>;
  return (
    <div class="empty">
      <span class="art">
        <Icon name={kind === 'agent' ? 'spark' : 'chat'} size={30} />
      </span>
      <h3 dir="auto">{kind === 'agent' ? 'Ask anything' : `Say hello to ${name}`}</h3>
      <p>{kind === 'agent' ? 'You can watch the answer being typed.' : 'Nothing was said here yet.'}</p>
    </div>
  );
}

/** `User <id> joined the chat`, with the name in place of the id. */
function wordsOf(desk: Desk, text: string): string {
  return text.replace(
    /^User (.+) (joined|left) the chat$/,
    (_, id: string, what: string) => `${desk.people.name(id)} ${what}`,
  );
}

function isCalm(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
