import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Attachment, Message } from '../../client/index.js';
import { discard, retry } from '../state/actions.js';
import type { Desk } from '../state/desk.js';
import { isPicture } from '../state/files.js';
import type { Room, Sending } from '../state/room.js';
import { Avatar } from './avatar.js';
import { PictureView } from './dialog.js';
import { Icon, Ticks } from './icons.js';
import type { Place } from './place.js';
import { clockOf, fullTimeOf, sizeOf } from './times.js';

/** A message that is stored. */
export function Said({
  desk,
  room,
  message,
  first,
  last,
  day,
  isNew,
}: { desk: Desk; room: Room; message: Message } & Place) {
  const { sender, text, at, attachments, status } = message;
  const mine = sender === desk.me.id;
  const { kind } = room.conversation.value;
  const name = desk.people.name(sender);
  return (
    <>
      {day && <li class="day">{day}</li>}
      {isNew && <li class="new-from">New messages</li>}
      <li class={`message${mine ? ' mine' : ''}${first ? ' first' : ''}${last ? ' last' : ''}`}>
        {!mine &&
          (last ? (
            <Avatar id={sender} name={name} small kind={kind === 'agent' ? 'agent' : 'direct'} />
          ) : (
            <span />
          ))}
        <div class="bubble">
          {!mine && first && kind === 'public' && (
            <span class="sender" dir="auto">
              {name}
            </span>
          )}
          {attachments.length > 0 && (
            <div class="files">
              {attachments.map((file) => (
                <File key={file.url} desk={desk} file={file} />
              ))}
            </div>
          )}
          {text.trim() && <Text text={text} />}
          <span class="meta">
            <time dateTime={new Date(at).toISOString()} title={fullTimeOf(at)}>
              {clockOf(at)}
            </time>
            {mine && kind === 'direct' && <Ticks status={status ?? 'sent'} />}
          </span>
        </div>
      </li>
    </>
  );
}

/** A message that is on its way, or was not taken. */
export function Pending({ desk, room, one }: { desk: Desk; room: Room; one: Sending }) {
  const { key, text, files, at, fault, progress, attachments } = one;
  const uploading = attachments === undefined && fault === undefined;
  return (
    <li class="message mine first last">
      <div>
        <div class={`bubble${fault === undefined ? '' : ' failed'}`}>
          {files.length > 0 && (
            <div class="files">
              {files.map((file, i) => (
                <LocalFile key={`${i} ${file.name}`} file={file}>
                  {uploading && <Progress part={progress} />}
                </LocalFile>
              ))}
            </div>
          )}
          {text && <Text text={text} />}
          <span class="meta">
            <time>{clockOf(at)}</time>
            {fault === undefined && <Ticks status="sending" />}
          </span>
        </div>
        {(fault !== undefined || uploading) && (
          <p class="failure" role={fault === undefined ? undefined : 'alert'}>
            {fault !== undefined && <span>Not sent: {fault}.</span>}
            {fault !== undefined && (
              <button type="button" onClick={() => retry(desk, room, key)}>
                Try again
              </button>
            )}
            <button type="button" onClick={() => discard(room, key)}>
              {fault === undefined ? 'Cancel' : 'Discard'}
            </button>
          </p>
        )}
      </div>
    </li>
  );
}

/** The agent's answer as it is typed. */
export function Typing({ room, text }: { room: Room; text: string }) {
  const { other = '', name } = room.conversation.value;
  return (
    <li class="message first last typing" aria-live="off">
      <Avatar id={other} name={name} small kind="agent" />
      <div class="bubble">
        <span class="hidden-words">{name} is typing</span>
        {text ? (
          <span class="text" dir="auto">
            {text}
            <i class="caret" />
          </span>
        ) : (
          <span class="dots">
            <i />
            <i />
            <i />
          </span>
        )}
      </div>
    </li>
  );
}

const LINK = /(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/;

/** Text as it was written, addresses in it as links. */
function Text({ text }: { text: string }) {
  const parts = text.split(LINK);
  return (
    <div class="text" dir="auto">
      {parts.map((part, i) =>
        i % 2 === 0 ? (
          part
        ) : (
          <a key={`${i} ${part}`} href={part} target="_blank" rel="noreferrer noopener">
            {part}
          </a>
        ),
      )}
    </div>
  );
}

function File({ desk, file }: { desk: Desk; file: Attachment }) {
  const name = file.name ?? 'Attachment';
  return isPicture(file) ? (
    <Picture desk={desk} file={file} name={name} />
  ) : (
    <Download desk={desk} file={file} name={name} />
  );
}

function Picture({ desk, file, name }: { desk: Desk; file: Attachment; name: string }) {
  const [address, setAddress] = useState<string>();
  const [large, setLarge] = useState(false);
  const [failed, setFailed] = useState(false);
  const load = () => {
    desk.addresses.of(file.url).then(setAddress, () => setFailed(true));
  };
  useEffect(load, [file.url]);
  if (failed) return <Download desk={desk} file={file} name={name} />;
  return (
    <>
      <button
        class="picture"
        type="button"
        aria-label={`Show ${name}`}
        onClick={() => address && setLarge(true)}
      >
        {address && (
          <img
            src={address}
            alt={name}
            onError={() => {
              desk.addresses.forget(file.url);
              setFailed(true);
            }}
          />
        )}
      </button>
      {large && address && <PictureView src={address} name={name} onClose={() => setLarge(false)} />}
    </>
  );
}

/** A file to be fetched: its address is asked for when somebody wants it. */
function Download({ desk, file, name }: { desk: Desk; file: Attachment; name: string }) {
  const [fault, setFault] = useState('');
  const fetchIt = async () => {
    try {
      const link = document.createElement('a');
      link.href = await desk.addresses.of(file.url);
      link.target = '_blank';
      link.rel = 'noreferrer noopener';
      link.click();
      setFault('');
    } catch {
      setFault('It cannot be fetched now');
    }
  };
  return (
    <button class="file" type="button" onClick={() => void fetchIt()}>
      <Icon name="file" />
      <FileWords name={name} detail={fault || (file.size === undefined ? '' : sizeOf(file.size))} />
    </button>
  );
}

function LocalFile({ file, children }: { file: globalThis.File; children: ComponentChildren }) {
  const address = useObjectUrl(file);
  if (isPicture({ url: file.name, contentType: file.type || undefined })) {
    return (
      <span class="picture">
        <img src={address} alt={file.name} />
        {children}
      </span>
    );
  }
  return (
    <span class="file">
      <Icon name="file" />
      <FileWords name={file.name} detail={sizeOf(file.size)} />
      {children}
    </span>
  );
}

function FileWords({ name, detail }: { name: string; detail: string }) {
  return (
    <span class="clipped">
      <span class="file-name clipped" dir="auto">
        {name}
      </span>
      <small>{detail}</small>
    </span>
  );
}

function Progress({ part }: { part: number }) {
  const percent = Math.round(part * 100);
  return (
    <span
      class="progress"
      role="progressbar"
      aria-label="Upload"
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${percent}%` }} />
    </span>
  );
}

/** An address for a file that is only here, as long as it is shown. */
export function useObjectUrl(file: globalThis.File): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    const url = URL.createObjectURL(file);
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [file]);
  return address;
}
