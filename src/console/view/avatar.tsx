import type { ConversationKind } from '../../client/index.js';
import { Icon } from './icons.js';

interface AvatarProps {
  readonly id: string;
  readonly name: string;
  readonly kind?: ConversationKind;
  readonly small?: boolean;
  readonly online?: boolean | undefined;
}

/** A person's initials on a colour of their own; rooms and the agent have a sign. Pictures of elsewhere are not loaded. */
export function Avatar({ id, name, kind = 'direct', small = false, online = false }: AvatarProps) {
  const square = kind === 'public' ? ' square' : '';
  return (
    <span
      class={`avatar${small ? ' small' : ''}${square}`}
      style={{ '--hue': String(hueOf(id + kind)) }}
      aria-hidden="true"
    >
      {kind === 'public' ? <Icon name="hash" /> : kind === 'agent' ? <Icon name="spark" /> : initialsOf(name)}
      {online && <i class="here" />}
    </span>
  );
}

function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const [first = '?', last = ''] = [words[0], words.length > 1 ? words.at(-1) : ''];
  // Letters of connected scripts must not be joined.
  return [first, last]
    .flatMap((word) => [...word].slice(0, 1))
    .join('\u200c')
    .toUpperCase();
}

function hueOf(text: string): number {
  let hash = 7;
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 3_600;
  return Math.round((hash * 137.5) % 360);
}
