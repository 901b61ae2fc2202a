import { signal } from '@preact/signals';
import type { Channel } from '../../client/index.js';

/** Frames that are kept, all channels together. */
const MAX_FRAMES = 400;

/** A frame as it travelled. */
export interface Travelled {
  readonly n: number;
  readonly channel: Channel;
  readonly direction: 'in' | 'out';
  readonly text: string;
  readonly at: number;
}

export const frames = signal<readonly Travelled[]>([]);
let count = 0;

/** Writes down every frame of a channel from now on. */
export function record(channel: Channel): void {
  channel.on('frame', (direction, text) => {
    count += 1;
    const one = { n: count, channel, direction, text, at: Date.now() };
    frames.value = [...frames.value.slice(1 - MAX_FRAMES), one];
  });
}

export function clearFrames(): void {
  frames.value = [];
}
