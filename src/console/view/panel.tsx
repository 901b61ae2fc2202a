import { useEffect, useRef, useState } from 'preact/hooks';
import { type Channel, DIALECTS, type DialectName } from '../../client/index.js';
import type { Desk } from '../state/desk.js';
import { clearFrames, frames, type Travelled } from '../state/frames.js';
import { togglePanel } from '../state/shown.js';
import { SPOKEN } from '../state/talks.js';
import { Icon } from './icons.js';
import { secondsOf } from './times.js';

/** For developers: the frames of the document that is spoken, as they travel, and a way to send one by hand. */
export function Panel({ desk }: { desk: Desk }) {
  const channel = desk.talks.current.value ?? desk.main.value;
  return (
    <aside class="panel" aria-label="Frames">
      <header>
        <h2>Frames</h2>
        <span>
          <button class="icon-button" type="button" aria-label="Clear" title="Clear" onClick={clearFrames}>
            <Icon name="trash" />
          </button>
          <button class="icon-button" type="button" aria-label="Close the frames" onClick={togglePanel}>
            <Icon name="close" />
          </button>
        </span>
      </header>
      <Settings desk={desk} channel={channel} />
      <List channel={channel} />
      {channel && <ByHand key={channel.speech.name} desk={desk} channel={channel} />}
    </aside>
  );
}

function Settings({ desk, channel }: { desk: Desk; channel: Channel | undefined }) {
  const kind = desk.open.value?.conversation.value.kind ?? 'direct';
  const { talks } = desk;
  const spoken = talks.dialect.value;
  const chosen = talks.choice.value;
  return (
    <div class="settings">
      <label class="field">
        <span>API spoken in this conversation</span>
        <select
          class="input"
          value={chosen}
          onChange={({ currentTarget }) => talks.choose(currentTarget.value as DialectName | 'auto')}
        >
          <option value="auto">Automatic ({SPOKEN[kind][0]})</option>
          {DIALECTS.map((name) => (
            <option key={name} value={name} disabled={!SPOKEN[kind].includes(name)}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {chosen !== 'auto' && chosen !== spoken && (
        <p>
          {chosen} has no such conversations: {spoken} is spoken here.
        </p>
      )}
      {channel && (
        <p>
          <code>{channel.speech.path(desk.me.id, channel.room)}</code> ·{' '}
          {talks.state.value === 'open' ? 'live' : talks.state.value}
        </p>
      )}
    </div>
  );
}

function List({ channel }: { channel: Channel | undefined }) {
  const list = useRef<HTMLElement>(null);
  const shown = frames.value.filter((one) => one.channel === channel);
  const count = shown.at(-1)?.n;
  useEffect(() => {
    const element = list.current;
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 160) {
      element.scrollTop = element.scrollHeight;
    }
  }, [count]);
  return (
    <section class="travelled" ref={list} aria-label="Frames that travelled">
      {shown.length === 0 && (
        <div class="empty">
          <p>Nothing has travelled yet. Send a message and watch it here.</p>
        </div>
      )}
      {shown.map((one) => (
        <Row key={one.n} one={one} />
      ))}
    </section>
  );
}

function Row({ one }: { one: Travelled }) {
  const [open, setOpen] = useState(false);
  return (
    <details class={one.direction} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <Icon name={one.direction === 'out' ? 'up' : 'down'} size={14} />
        <time>{secondsOf(one.at)}</time>
        <span class="clipped">
          <span class="hidden-words">{one.direction === 'out' ? 'Sent: ' : 'Received: '}</span>
          {one.text}
        </span>
      </summary>
      {open && <pre>{prettyOf(one.text)}</pre>}
    </details>
  );
}

function ByHand({ desk, channel }: { desk: Desk; channel: Channel }) {
  const to = desk.open.value?.conversation.value.other ?? '2';
  const example = () =>
    prettyOf(JSON.stringify(channel.speech.message({ text: 'Hello, World!', to }, `by-hand-${Date.now()}`)));
  const [text, setText] = useState(example);
  const [fault, setFault] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    setFault(channel.sendRaw(text) ? '' : 'The connection is not open.');
  };
  return (
    <form class="by-hand" onSubmit={submit}>
      <label class="field">
        <span>Send a frame by hand</span>
        <textarea
          class="input"
          value={text}
          spellcheck={false}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      {fault && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      <div>
        <button class="button quiet" type="button" onClick={() => setText(example())}>
          Example
        </button>
        <button class="button primary" type="submit">
          Send
        </button>
      </div>
    </form>
  );
}

function prettyOf(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
