import type { Signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { send } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import { isPicture } from '../state/files.js';
import type { Room } from '../state/room.js';
import { Icon } from './icons.js';
import { useObjectUrl } from './message.js';

/** What is begun and not sent, by room. */
const drafts = new Map<string, string>();

/** Where one writes: Enter sends, Shift and Enter begins a line; files by button, paste or drop. */
export function Composer({ desk, room, files }: { desk: Desk; room: Room; files: Signal<readonly File[]> }) {
  const [text, setText] = useState(drafts.get(room.id) ?? '');
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const { kind, name } = room.conversation.value;
  const takesFiles = kind === 'direct';
  const ready = text.trim() !== '' || files.value.length > 0;

  // On a phone the keyboard would cover the conversation that one wants to read first.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) area.current?.focus();
  }, [room.id]);

  const write = (next: string) => {
    setText(next);
    drafts.set(room.id, next);
  };
  const submit = () => {
    if (!ready) return;
    send(desk, room, text.trim() === '' ? '' : text.trim(), files.value);
    write('');
    files.value = [];
    area.current?.focus();
  };
  const add = (more: Iterable<File>) => {
    files.value = [...files.value, ...more];
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="box">
        {files.value.length > 0 && (
          <ul class="chosen" aria-label="Files to send">
            {files.value.map((file, i) => (
              <Chosen
                key={`${i} ${file.name}`}
                file={file}
                onRemove={() => {
                  files.value = files.value.filter((one) => one !== file);
                }}
              />
            ))}
          </ul>
        )}
        <div class="row">
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            onChange={({ currentTarget }) => {
              add(currentTarget.files ?? []);
              currentTarget.value = '';
            }}
          />
          <button
            class="icon-button"
            type="button"
            disabled={!takesFiles}
            aria-label="Attach files"
            title={takesFiles ? 'Attach files' : 'Files can be sent in direct chats'}
            onClick={() => picker.current?.click()}
          >
            <Icon name="clip" />
          </button>
          <textarea
            ref={area}
            rows={1}
            value={text}
            dir="auto"
            aria-label={`Message to ${name}`}
            placeholder={kind === 'agent' ? 'Ask the assistant' : 'Write a message'}
            enterkeyhint="send"
            onInput={({ currentTarget }) => write(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              submit();
            }}
            onPaste={(event) => {
              const pasted = [...(event.clipboardData?.files ?? [])];
              if (pasted.length === 0 || !takesFiles) return;
              event.preventDefault();
              add(pasted);
            }}
          />
          <button class="icon-button filled" type="submit" aria-label="Send" title="Send" disabled={!ready}>
            <Icon name="up" />
          </button>
        </div>
      </div>
    </form>
  );
}

function Chosen({ file, onRemove }: { file: File; onRemove: () => void }) {
  const address = useObjectUrl(file);
  return (
    <li>
      {isPicture({ url: file.name, contentType: file.type || undefined }) ? (
        <img class="thumb" src={address} alt={file.name} />
      ) : (
        <span class="thumb">{file.name}</span>
      )}
      <button type="button" aria-label={`Remove ${file.name}`} onClick={onRemove}>
        <Icon name="close" size={14} />
      </button>
    </li>
  );
}
