import { useEffect, useState } from 'preact/hooks';
import type { ConversationKind } from '../../client/index.js';
import { createRoom, startAgent, startDirect } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import { wordsOf } from '../state/host.js';
import { Avatar } from './avatar.js';
import { Dialog } from './dialog.js';

/** People that are shown at once. */
const SHOWN = 50;

/** Starting a conversation: with somebody, with the assistant, or in a new public room. */
export function NewChat({ desk, onDone }: { desk: Desk; onDone: () => void }) {
  const [query, setQuery] = useState('');
  const [fault, setFault] = useState('');
  useEffect(() => {
    desk.people.load().catch((error) => setFault(wordsOf(error)));
  }, [desk]);
  const attempt = (start: () => Promise<void>) => {
    setFault('');
    start().then(onDone, (error) => setFault(wordsOf(error)));
  };
  const wanted = query.trim().toLowerCase();
  const people = [...desk.people.all.value.values()]
    .filter(({ id }) => id !== desk.me.id)
    .filter(({ id, name, email }) => [id, name, email].some((text) => text.toLowerCase().includes(wanted)))
    .sort((a, b) => a.name.localeCompare(b.name))
    .slice(0, SHOWN);
  return (
    <Dialog title="New chat" onClose={onDone}>
      <input
        class="input"
        type="search"
        aria-label="Name, e-mail or room"
        placeholder="Name, e-mail, or a new room"
        value={query}
        dir="auto"
        autofocus
        onInput={({ currentTarget }) => setQuery(currentTarget.value)}
      />
      {fault && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      <ul class="choices">
        {!wanted && (
          <Choice
            icon="agent"
            title="Ask the assistant"
            detail="A conversation with the AI agent"
            onChoose={() => attempt(() => startAgent(desk))}
          />
        )}
        {people.map(({ id, name, email }) => (
          <li key={id}>
            <button class="choice" type="button" onClick={() => attempt(() => startDirect(desk, id))}>
              <Avatar id={id} name={name} />
              <span class="clipped">
                <span class="clipped" dir="auto">
                  {name}
                </span>
                <small class="clipped">{email || id}</small>
              </span>
            </button>
          </li>
        ))}
        {wanted && !wanted.includes('@') && (
          <Choice
            icon="public"
            title={`Create the public room “${query.trim()}”`}
            detail="Everybody can find and join it"
            onChoose={() => attempt(() => createRoom(desk, query.trim()))}
          />
        )}
        {wanted && people.length === 0 && (
          <Choice
            icon="direct"
            title={`Write to the user “${query.trim()}”`}
            detail="By the id that they have here"
            onChoose={() => attempt(() => startDirect(desk, query.trim()))}
          />
        )}
      </ul>
      {people.length === 0 && (
        <p class="hint">
          {wanted
            ? 'Nobody is called so.'
            : 'Nobody else is here yet. Open a second window and register somebody.'}
        </p>
      )}
    </Dialog>
  );
}

function Choice({
  icon,
  title,
  detail,
  onChoose,
}: {
  icon: ConversationKind;
  title: string;
  detail: string;
  onChoose: () => void;
}) {
  return (
    <li>
      <button class="choice" type="button" onClick={onChoose}>
        <Avatar id={icon} name="@" kind={icon} />
        <span class="clipped">
          <span class="clipped" dir="auto">
            {title}
          </span>
          <small class="clipped">{detail}</small>
        </span>
      </button>
    </li>
  );
}
