const PATHS = {
  back: 'M15 5l-7 7 7 7',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M5 12h13M12 5l7 7-7 7',
  clip: 'M19.5 11.5l-7.6 7.6a4.6 4.6 0 0 1-6.5-6.5l8-8a3.1 3.1 0 0 1 4.4 4.4l-8 8a1.5 1.5 0 0 1-2.2-2.2l7.2-7.1',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4',
  frames: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14',
  menu: 'M5 7h14M5 12h14M5 17h14',
  out: 'M14 5h4a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1h-4M10 8l-4 4 4 4M6 12h9',
  down: 'M12 5v14M6 13l6 6 6-6',
  up: 'M12 19V5M6 11l6-6 6 6',
  chat: 'M5 6.5A1.5 1.5 0 0 1 6.5 5h11A1.5 1.5 0 0 1 19 6.5v8a1.5 1.5 0 0 1-1.5 1.5H11l-4 3.5V16h-.5A1.5 1.5 0 0 1 5 14.5z',
  hash: 'M9.5 4l-2 16M16.5 4l-2 16M4.5 9h15.5M4 15h15.5',
  spark: 'M12 4l1.8 5.2L19 11l-5.2 1.8L12 18l-1.8-5.2L5 11l5.2-1.8zM18.5 16.5v4M16.5 18.5h4',
  file: 'M7 4h7l4 4v12H7zM14 4v4h4',
  trash: 'M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12',
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing beside words: it says nothing by itself. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.9"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

const TICKS = {
  sending: { d: 'M8 2.5v5.8l3.6 2.2M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z', words: 'Sending' },
  sent: { d: 'M3 8.5l3.2 3.2L13 4.5', words: 'Sent' },
  delivered: { d: 'M1 8.5l3.2 3.2L10.5 4.5M8 11.2l.7.5 6.3-7.2', words: 'Delivered' },
  read: { d: 'M1 8.5l3.2 3.2L10.5 4.5M8 11.2l.7.5 6.3-7.2', words: 'Read' },
} as const;

/** How far a message got. */
export function Ticks({ status }: { status: keyof typeof TICKS }) {
  const { d, words } = TICKS[status];
  return (
    <span class={`ticks ${status}`} role="img" aria-label={words} title={words}>
      <svg
        width="16"
        height="16"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
        aria-hidden="true"
      >
        <path d={d} />
      </svg>
    </span>
  );
}
